#include "daemon/supervise/ladder.h"
#include "daemon/supervise/moulting.h"

#include <fmt/format.h>

// The attempt that ends without a switch: refused, moved up the ladder, stale, called off.

namespace moult {

namespace {

std::string one_line(const Rejection& rejection) {
  if (rejection.file.empty()) return rejection.error;
  return fmt::format("{} ({}:{})", rejection.error, rejection.file, rejection.line);
}

}  // namespace

void Moulting::on_generation_refused(Generation& generation) {
  if (!attempt_ || attempt_->generation != &generation) return;  // we refused it ourselves
  attempt_->generation = nullptr;
  attempt_deadline_.stop();
  warm_up_.reset();
  const Rejection rejection = generation.record().rejection;
  const bool in_interpreter = generation.record().isolation != isolation_word(InterpreterMode::main);
  if (in_interpreter && climb_ladder(rejection)) return;
  reject(rejection);
}

bool Moulting::climb_ladder(const Rejection& rejection) {
  if (config_.isolation != Isolation::automatic || attempt_->in_process || !wants_process(rejection))
    return false;
  const std::string reason = reason_for_process(rejection);
  services_.log.info(fmt::format("moved to a process of its own: {}", reason), {{"app", config_.name}});
  if (rejection.stage != "crash") {
    record_.verdict_reason = reason;
    refused_extensions_ = rejection.refused;
  }
  attempt_->in_process = true;
  make();
  return true;
}

void Moulting::reject(Rejection rejection) {
  attempt_deadline_.stop();
  if (is_in_doubt() && attempt_->purpose == Purpose::serve && spoiled_ < kSpoiledMax) {
    // It may have failed because half of a change was missing. What follows will tell.
    attempt_->stale = true;
    return;
  }
  if (is_in_doubt()) count_spoiled();
  GenerationRecord record;
  record.number = attempt_->number;
  record.cause = attempt_->cause;
  record.state = GenerationState::rejected;
  record.created = attempt_->since;
  record.ended = std::chrono::system_clock::now();
  if (attempt_->snapshot) {
    record.snapshot = attempt_->snapshot->id;
    record.tree = attempt_->snapshot->root;
    record.commit = attempt_->snapshot->commit;
    record.files = attempt_->snapshot->source_count;
  }
  record.rejection = rejection;
  AttemptOutcome outcome{.kind = AttemptOutcome::Kind::rejected,
                         .generation = attempt_->number,
                         .previous = active_ != nullptr ? active_->number() : 0,
                         .cause = attempt_->cause,
                         .rejection = rejection};
  if (attempt_->purpose == Purpose::check) {
    conclude(std::move(outcome));
    return;
  }
  if (record_.next_generation == attempt_->number) ++record_.next_generation;
  ++rejections;
  last_rejected_ = record;
  record_.remember(record);
  const std::string serving =
      active_ != nullptr ? fmt::format("generation {} serves on", active_->number()) : "nothing serves";
  services_.log.error(
      fmt::format("generation {} rejected: {}; {}", record.number, one_line(rejection), serving),
      {{"app", config_.name}, {"cause", describe(record.cause)}});
  why_.add(record.ended, rejection.file, "rejected", one_line(rejection));
  EventData data{{"generation", static_cast<std::int64_t>(record.number)},
                 {"stage", rejection.stage},
                 {"error", rejection.error},
                 {"file", rejection.file},
                 {"line", static_cast<std::int64_t>(rejection.line)}};
  if (active_ != nullptr) data.emplace_back("serving", static_cast<std::int64_t>(active_->number()));
  services_.events.event("generation.rejected", config_.name, std::move(data));
  const std::unique_ptr<Attempt> attempt = std::move(attempt_);
  for (const Waiter& waiter : attempt->waiters) waiter(outcome);
  save_record();
  try_again_after(*attempt, rejection);
  owner_.on_state_changed();
}

// With nothing serving there is something better than to wait for a change: what served last, or,
// after a death, the same again a little later.
void Moulting::try_again_after(const Attempt& attempt, const Rejection& rejection) {
  if (active_ != nullptr || attempt_ || next_ || stopping_) return;
  if (record_.active && attempt.snapshot_id.empty() &&
      (!attempt.snapshot || attempt.snapshot->id != record_.active->snapshot)) {
    const std::uint64_t last = record_.active->generation;
    services_.log.warning(fmt::format("serving the code of generation {}, which was active last", last),
                          {{"app", config_.name}});
    this->attempt({CauseKind::rollback, std::to_string(last), true}, Purpose::serve, record_.active->snapshot,
                  {});
    if (attempt_) attempt_->is_fallback = true;
    if (next_) next_->is_fallback = true;
    return;
  }
  if (attempt.cause.kind != CauseKind::host_lost && rejection.stage != "crash") return;
  const Milliseconds wait = restarts_.on_death(Steady::now());
  backoff_until_ = Steady::now() + wait;
  services_.log.warning(fmt::format("next try in {} s", wait.count() / 1000.0), {{"app", config_.name}});
  backoff_.start(wait, [this, cause = attempt.cause, id = attempt.snapshot_id] {
    backoff_until_.reset();
    this->attempt(cause, Purpose::serve, id, {});
  });
}

void Moulting::fail_attempt(Error error) {
  attempt_deadline_.stop();
  if (attempt_->number == 0) attempt_->number = record_.next_generation;
  Rejection rejection{"host", error.message, error.detail, error.file, error.line, {}};
  if (!error.hint.empty()) rejection.traceback += (rejection.traceback.empty() ? "" : "\n") + error.hint;
  reject(std::move(rejection));
}

void Moulting::conclude(AttemptOutcome outcome) {
  const std::unique_ptr<Attempt> attempt = std::move(attempt_);
  attempt_deadline_.stop();
  for (const Waiter& waiter : attempt->waiters) waiter(outcome);
  owner_.on_state_changed();
  // A recycle that found an attempt under way relied on it to leave the host.
  if (active_ != nullptr && !attempt_ && !next_ && outcome.kind != AttemptOutcome::Kind::rejected) {
    for (const auto& interpreter : active_->interpreters()) {
      const Host* host = interpreter->host();
      if (host == nullptr || !host->recycling) continue;
      leave_host(*host, host->recycle_reason);
      return;
    }
  }
}

}  // namespace moult
