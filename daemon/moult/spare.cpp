#include "daemon/moult/spare.h"

#include "daemon/serve/generation.h"

#include <utility>

namespace moult {

Spare::Fit Spare::fit_of(MakeCommand command, std::string packages) {
  command.generation = 0;
  command.spec.cause.clear();
  command.spec.log_imports.clear();
  return {encode_command(command), std::move(packages)};
}

void Spare::renew(SteadyTime now) {
  drop_unfit();
  if (now >= edited_until_) return;
  if (generation_ == nullptr) begin_at_ = now + kDelay;
  wake();
}

void Spare::on_time(SteadyTime now) {
  if (now >= edited_until_) drop();
  if (begin_at_ && now >= *begin_at_) {
    begin_at_.reset();
    ask();
  }
  wake();
}

void Spare::wake() {
  if (begin_at_) {
    owner_.wake_spare_at(*begin_at_);
  } else if (generation_ != nullptr) {
    owner_.wake_spare_at(edited_until_);
  }
}

bool Spare::is_wanted() const {
  return generation_ == nullptr && owner_.has_room_for_spare() && owner_.spare_fit();
}

void Spare::ask() {
  if (!is_wanted()) return;
  owner_.ask_loaded([this](const LoadedEvent& loaded) {
    if (!is_wanted()) return;
    why_not_ = loaded.why;
    if (!why_not_.empty()) return;
    fit_ = *owner_.spare_fit();
    generation_ = owner_.make_spare(loaded);
    wake();
  });
}

Generation* Spare::take(const Fit& fit) {
  return is_ready() && fit == fit_ ? std::exchange(generation_, nullptr) : nullptr;
}

void Spare::drop() {
  begin_at_.reset();
  if (Generation* generation = std::exchange(generation_, nullptr)) generation->retire(kRetireTimeout);
}

void Spare::drop_unfit() {
  if (generation_ != nullptr && owner_.spare_fit() != fit_) drop();
}

void Spare::lose(std::string why) {
  why_not_ = std::move(why);
  generation_ = nullptr;
}

bool Spare::is_ready() const { return generation_ != nullptr && generation_->is_ready_spare(); }

std::string_view Spare::word() const {
  if (generation_ != nullptr) return is_ready() ? "ready" : "being made";
  return why_not_.empty() ? "none" : std::string_view(why_not_);
}

}  // namespace moult
