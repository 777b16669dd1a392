#include "daemon/moult/moulting.h"

namespace moult {

// What is told of an attempt while it is under way.

bool Moulting::is_reading() const {
  if (preparing_ || next_) return true;
  return attempt_ && !doubt_.is_overtaken() &&
         (attempt_->stage == Stage::python || attempt_->stage == Stage::snapshot);
}

std::optional<Moulting::AttemptView> Moulting::attempt_view() const {
  const std::string hook = hooks_ ? std::string(to_string(hooks_->hook())) : "";
  if (way_back_) return AttemptView{way_back_->to, hook, way_back_->cause, way_back_->since};
  const Attempt* attempt = attempt_ ? attempt_.get() : next_.get();
  if (attempt == nullptr) return std::nullopt;
  constexpr std::string_view kWords[] = {"host", "snapshot", "import", "", "warmup", "hold"};
  std::string stage(kWords[static_cast<std::size_t>(attempt->stage)]);
  if (attempt->stage == Stage::hooks) stage = hook;
  if (doubt_.is_overtaken()) stage = "settle";
  return AttemptView{attempt->number, stage, attempt->cause, attempt->since};
}

}  // namespace moult
