#include "daemon/moult/moulting.h"

#include <fmt/format.h>

// What a generation goes through between its import and the switch: it adopts the state of the one
// that serves, its ready hooks run, it answers the warm-up requests. All of it has what start_timeout
// leaves.

namespace moult {

void Moulting::hand_over() {
  attempt_->stage = Stage::hooks;
  Generation& to = *attempt_->generation;
  const bool possible = attempt_->purpose == Purpose::serve && active_ != nullptr &&
                        active_->stalled() == nullptr && active_->has_hook("handoff") && to.has_hook("adopt");
  if (!possible) {
    run_ready_hooks();
    return;
  }
  const std::uint64_t from = active_->number();
  move_state(*active_, to, [this, from](const HookOutcome& outcome) {
    if (outcome.kind == HookOutcome::Kind::failed) {
      on_not_adopted(*attempt_->generation, from, outcome.failure);
      const bool by_will = attempt_->cause.kind == CauseKind::rollback;
      if (config_.adopt == AdoptPolicy::required && !by_will) {
        Rejection rejection = outcome.failure;
        rejection.error = fmt::format("the {} hook: {}", rejection.stage, rejection.error);
        rejection.stage = "adopt";
        refuse_attempt(std::move(rejection));
        return;
      }
    }
    run_ready_hooks();
  });
}

// Hands the state of one generation to another. With nothing failed it was adopted, or `from` has
// gone before it could give it, which is no failure.
void Moulting::move_state(Generation& from, Generation& to, HookRun::Done done) {
  hooks_ = std::make_unique<HookRun>(
      services_.loop, config_.name,
      HookRun::Limits{config_.handoff_timeout, config_.max_payload + lane::kInlineBodyMax}, last_hook_call_);
  hooks_->hand_off(from, dispatcher_, [this, &to, done = std::move(done)](HookOutcome given) {
    if (given.kind != HookOutcome::Kind::done) {
      done(std::move(given));
      return;
    }
    hooks_->adopt(to, std::move(given.state), done);
  });
}

void Moulting::on_not_adopted(Generation& to, std::uint64_t from, const Rejection& failure) {
  const std::string place = failure.file.empty() ? "" : fmt::format(" ({}:{})", failure.file, failure.line);
  services_.log.warning(fmt::format("generation {} did not get the state of generation {}: the {} hook: {}{}",
                                    to.number(), from, failure.stage, failure.error, place),
                        {{"app", config_.name}});
  const std::uint64_t whose = failure.stage == to_string(Hook::handoff) ? from : to.number();
  owner_.on_log_line(whose, 'm', fmt::format("the {} hook failed: {}", failure.stage, failure.error));
  log_traceback(whose, failure.traceback);
  announce("generation.adopt_failed", to,
           {{"from", static_cast<std::int64_t>(from)},
            {"hook", failure.stage},
            {"error", failure.error},
            {"file", failure.file},
            {"line", static_cast<std::int64_t>(failure.line)}});
}

void Moulting::run_ready_hooks() {
  Generation& generation = *attempt_->generation;
  if (!generation.has_hook("ready")) {
    hooks_.reset();
    warm_up();
    return;
  }
  hooks_ = std::make_unique<HookRun>(services_.loop, config_.name,
                                     HookRun::Limits{config_.handoff_timeout, 0}, last_hook_call_);
  hooks_->ready(generation, [this](HookOutcome outcome) {
    hooks_.reset();
    switch (outcome.kind) {
      case HookOutcome::Kind::done: warm_up(); break;
      case HookOutcome::Kind::failed: refuse_attempt(std::move(outcome.failure)); break;
      case HookOutcome::Kind::lost:
        refuse_attempt({"ready", "the lane of a worker broke under a ready hook"});
        break;
    }
  });
}

void Moulting::warm_up() {
  attempt_->stage = Stage::warm_up;
  if (config_.warmup.empty()) {
    hold_or_switch();
    return;
  }
  announce("generation.warming", *attempt_->generation);
  const std::string script_name = config_.routes.empty() ? "" : config_.routes.front().prefix;
  warm_up_ = std::make_unique<WarmUp>(services_.loop, *attempt_->generation, config_.warmup, script_name,
                                      [this](std::optional<Rejection> rejection) {
                                        const auto done = std::move(warm_up_);
                                        if (rejection) {
                                          refuse_attempt(std::move(*rejection));
                                        } else {
                                          hold_or_switch();
                                        }
                                      });
  warm_up_->start();
}

}  // namespace moult
