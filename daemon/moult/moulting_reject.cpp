#include "daemon/config/python_choice.h"
#include "daemon/moult/ladder.h"
#include "daemon/moult/moulting.h"

#include <fmt/format.h>

#include <algorithm>

// The attempt that ends without a switch: refused, moved up the ladder, stale, called off.

namespace moult {

namespace {

constexpr int kBystanderDeathsMax = 8;  // more than it takes to part any number of apps

std::string one_line(const Rejection& rejection) {
  if (rejection.file.empty()) return rejection.error;
  return fmt::format("{} ({}:{})", rejection.error, rejection.file, rejection.line);
}

}  // namespace

void Moulting::on_generation_refused(Generation& generation) {
  if (spare_.generation() == &generation)
    spare_.lose("it could not be made: " + one_line(generation.record().rejection));
  if (!attempt_ || attempt_->generation != &generation) return;  // we refused it ourselves
  attempt_->generation = nullptr;
  attempt_deadline_.stop();
  hooks_.reset();
  warm_up_.reset();
  const Rejection rejection = generation.record().rejection;
  if (leave_full_hosts(generation, rejection)) return;
  const bool in_interpreter = generation.record().isolation != isolation_word(InterpreterMode::main);
  if (in_interpreter && climb_ladder(rejection)) return;
  reject(rejection);
}

bool Moulting::climb_ladder(const Rejection& rejection) {
  if (rejection.stage == "crash" && !attempt_->crashed) {
    // What another app did says nothing of this one, which is made once more; alone it can only be itself.
    const bool is_it = services_.death.app == config_.name;
    if (is_it || ++attempt_->bystander_deaths > kBystanderDeathsMax) attempt_->crashed = true;
    attempt_->fresh_host |= attempt_->crashed;
    make();
    return true;
  }
  if (config_.isolation != Isolation::automatic || attempt_->in_process || !wants_process(rejection))
    return false;
  const std::string reason = reason_for_process(rejection);
  services_.log.info(fmt::format("moved to a process of its own: {}", reason), {{"app", config_.name}});
  record_.verdict_reason = reason;
  refused_extensions_ = rejection.refused;
  attempt_->in_process = true;
  make();
  return true;
}

void Moulting::reject(Rejection rejection) {
  attempt_deadline_.stop();
  if (attempt_->purpose == Purpose::serve && doubt_.excuses_rejection(Steady::now())) return;
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
  log_traceback(record.number, rejection.traceback);
  why_.add(record.ended, rejection.file, "rejected", one_line(rejection));
  EventData data{{"generation", static_cast<std::int64_t>(record.number)},
                 {"stage", rejection.stage},
                 {"error", rejection.error},
                 {"file", rejection.file},
                 {"line", static_cast<std::int64_t>(rejection.line)}};
  if (active_ != nullptr) data.emplace_back("serving", static_cast<std::int64_t>(active_->number()));
  services_.events.event("generation.rejected", config_.name, std::move(data));
  const std::unique_ptr<Attempt> attempt = end_attempt();
  if (attempt->cause.kind == CauseKind::isolation) stay_in_interpreter();
  for (const Waiter& waiter : attempt->waiters) waiter(outcome);
  save_record();
  const std::string code = attempt->snapshot ? attempt->snapshot->id : "";
  recovery_.on_rejected(
      {{attempt->cause, attempt->snapshot_id}, code, rejection.stage, rejection.error, attempt->lacked_means},
      Steady::now());
  look_again();
  spare_.renew(Steady::now());
  owner_.on_state_changed();
}

// The app's own words belong into its log.
void Moulting::log_traceback(std::uint64_t generation, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    owner_.on_log_line(generation, 'm', text.substr(0, text[end] == '\n' ? end : end + 1));
    text.remove_prefix(end + 1);
  }
}

// Refuses what the attempt has made, and the attempt with it.
void Moulting::refuse_attempt(Rejection rejection) {
  Generation* generation = std::exchange(attempt_->generation, nullptr);
  hooks_.reset();
  warm_up_.reset();
  generation->refuse(rejection);
  reject(std::move(rejection));
}

void Moulting::fail_attempt(Error error) {
  attempt_deadline_.stop();
  attempt_->lacked_means = is_shortage(error);
  if (attempt_->number == 0) attempt_->number = record_.next_generation;
  Rejection rejection{"host", error.message, error.detail, error.file, error.line};
  services_.hosts->leave_unused();
  if (!error.hint.empty()) rejection.traceback += (rejection.traceback.empty() ? "" : "\n") + error.hint;
  reject(std::move(rejection));
}

// A Python that does not answer may be that of a broken virtual environment.
void Moulting::explain_silence(const Error& error) {
  if (config_.venv.empty()) return fail_attempt(error);
  attempt_deadline_.start(config_.start_timeout, [this, error] { fail_attempt(error); });
  std::weak_ptr<int> alive = alive_;
  uv::compute_in_background<std::optional<Error>>(
      services_.loop, {uv::Work::sources, config_.name},
      [config = config_] { return venv_fault(config, ""); },
      [this, alive, error, serial = attempt_->serial](std::optional<Error> fault) {
        if (alive.expired() || !attempt_ || attempt_->serial != serial) return;
        fail_attempt(fault ? std::move(*fault) : error);
      });
}

void Moulting::conclude(AttemptOutcome outcome) {
  const std::unique_ptr<Attempt> attempt = end_attempt();
  attempt_deadline_.stop();
  for (const Waiter& waiter : attempt->waiters) waiter(outcome);
  owner_.on_state_changed();
  look_again();
  spare_.renew(Steady::now());
}

}  // namespace moult
