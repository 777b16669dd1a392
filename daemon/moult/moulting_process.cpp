#include "daemon/moult/ladder.h"
#include "daemon/moult/moulting.h"

#include <fmt/format.h>

// An app that turns out to want a process of its own when it has been made already, or serves: an
// extension module that it imports late, a call that would change the whole process.

namespace moult {

void Moulting::on_refused(Generation& generation, const RefusalNote& what) {
  if (config_.isolation != Isolation::automatic || generation.is_in_process()) {
    owner_.on_log_line(generation.number(), 'm', describe(what));
    return;
  }
  if (attempt_ && attempt_->generation == &generation) {
    generation.refuse(rejection_of({what}));  // the ladder goes on from there
    return;
  }
  if (&generation != active_ || stopping_ || wanted_process_) return;
  wanted_process_ = what;
  services_.log.info(fmt::format("it is moved to a process of its own: {}", describe(what)),
                     {{"app", config_.name}});
  if (attempt_ && attempt_->generation != nullptr && !attempt_->generation->is_in_process()) {
    abandon_generation("stale", "the app is moved to a process of its own");
    make();
  }
  look_again();
}

// The app as it is, made anew in a process.
bool Moulting::move_to_process() {
  if (!wanted_process_ || active_ == nullptr || active_->is_in_process()) return false;
  attempt({CauseKind::isolation, describe(*wanted_process_), true}, Purpose::serve,
          active_->record().snapshot, {});
  return true;
}

// There is no such process, so the app is told itself what refuses its interpreter.
void Moulting::stay_in_interpreter() {
  if (!wanted_process_) return;
  wanted_process_.reset();
  if (active_ == nullptr) return;
  services_.log.warning("it cannot be moved to a process of its own and stays where it is",
                        {{"app", config_.name}});
  // The command and the calls go by different sockets: a call that came before the command would be moved
  // once more, and refused. So the calls wait until each host has said that it knows, or is gone, or silent.
  const auto asked = std::make_shared<std::size_t>(active_->interpreters().size());
  std::weak_ptr<int> alive = alive_;
  for (const auto& interpreter : active_->interpreters()) {
    interpreter->stay([this, alive, asked, number = active_->number()](const Result<StayedEvent>&) {
      if (alive.expired() || --*asked > 0) return;
      stays_ = number;
      dispatcher_.give_back_moved();
    });
  }
}

// One that had met what refuses the interpreter before the host knew has nothing left to wait for, nor has
// one that a stalled interpreter gave back and another one of the generation can serve.
void Moulting::on_call_moved(Call& call) {
  const bool stays = call.generation == stays_;
  const bool has_siblings = !wanted_process_ && active_ != nullptr && active_->answers_in_part();
  dispatcher_.on_call_moved(call);
  if (stays || has_siblings) dispatcher_.give_back_moved();
}

}  // namespace moult
