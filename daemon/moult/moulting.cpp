#include "daemon/moult/moulting.h"

#include "daemon/moult/ladder.h"
#include "ipc/base/count_of.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

// The attempt: from a cause to the switch. moulting_take.cpp reads its code, moulting_reject.cpp has its
// other end, moulting_switch.cpp the rest.

namespace moult {

namespace {

// How often one attempt may be made again because the app asked its process for another time zone
// or locale.
constexpr int kRemakesMax = 3;

}  // namespace

Moulting::Moulting(Services& services, Owner& owner, AppConfig config, FoundRecord found,
                   Dispatcher& dispatcher, CallStats& stats, WhyLog& why)
    : services_(services),
      owner_(owner),
      config_(std::move(config)),
      environment_(environment_of(config_, daemon_environment())),
      dispatcher_(dispatcher),
      stats_(stats),
      why_(why),
      store_(std::make_shared<SnapshotStore>(fmt::format("{}/apps/{}", services.state_folder, config_.name))),
      record_(std::move(found.record)),
      record_file_(services.loop, store_->folder(), [this](const Error& error) { tell_of_record(error); }),
      attempt_deadline_(services.loop),
      recovery_time_(services.loop),
      standby_end_(services.loop),
      burial_(services.loop),
      spare_time_(services.loop) {
  if (found.problem) tell_of_record(*found.problem);
  for (auto kept = record_.history.rbegin(); kept != record_.history.rend(); ++kept) {
    if (kept->state != GenerationState::rejected || kept->rejection.stage == "stale") break;
    last_rejected_ = *kept;
    break;
  }
}

void Moulting::tell_of_record(const Error& problem) {
  services_.log.warning(problem.message, {{"app", config_.name}});
  services_.events.event("app.unwritable", config_.name, {{"error", problem.message}});
}

Moulting::~Moulting() {
  hooks_.reset();  // before the generations that they work on
  warm_up_.reset();
  dispatcher_.set_active(nullptr);
}

void Moulting::configure(AppConfig config) {
  config_ = std::move(config);
  environment_ = environment_of(config_, daemon_environment(), file_environment_);
  spare_.drop_unfit();
}

void Moulting::attempt(Cause cause, Purpose purpose, std::string snapshot_id, Waiter waiter) {
  if (stopping_) {
    if (waiter) waiter({.kind = AttemptOutcome::Kind::stopped});
    return;
  }
  if (cause.kind == CauseKind::change || cause.kind == CauseKind::reload ||
      cause.kind == CauseKind::restart_file || services_.log_to_terminal)
    spare_.on_edit(Steady::now());
  auto attempt = std::make_unique<Attempt>();
  attempt->serial = ++serial_;
  attempt->cause = std::move(cause);
  attempt->purpose = purpose;
  attempt->snapshot_id = std::move(snapshot_id);
  attempt->since = std::chrono::system_clock::now();
  if (waiter) attempt->waiters.push_back(std::move(waiter));
  // Whoever waited for what this one takes the place of waits for this one, and what was forced
  // stays forced.
  std::vector<Waiter> interrupted;
  for (auto* before : {&next_, &attempt_}) {
    if (!*before) continue;
    // A roll-back that something else takes the place of has not happened.
    const bool alike =
        (*before)->purpose == purpose && (*before)->snapshot_id.empty() && attempt->snapshot_id.empty();
    auto& to = alike ? attempt->waiters : interrupted;
    std::move((*before)->waiters.begin(), (*before)->waiters.end(), std::back_inserter(to));
    if (alike) attempt->cause.forced |= (*before)->cause.forced;
  }
  next_.reset();
  if (attempt_) abandon_generation("stale", "something newer took its place");
  end_attempt();
  next_ = std::move(attempt);
  begin_next();
  for (const Waiter& left : interrupted) left({.kind = AttemptOutcome::Kind::stopped});
}

// Ends what the attempt has made so far; the attempt itself stays.
void Moulting::abandon_generation(std::string stage, std::string error) {
  attempt_deadline_.stop();
  hooks_.reset();
  warm_up_.reset();
  waiting_for_.clear();
  if (Generation* generation = std::exchange(attempt_->generation, nullptr); generation != nullptr) {
    generation->refuse({std::move(stage), std::move(error)});
  }
}

std::unique_ptr<Moulting::Attempt> Moulting::end_attempt() {
  doubt_.end_attempt();
  return std::move(attempt_);
}

void Moulting::begin_next() {
  if (!next_ || preparing_ || way_back_) return;
  attempt_ = std::move(next_);
  owner_.on_state_changed();
  ask_python();
}

void Moulting::ask_python() {
  attempt_->stage = Stage::python;
  doubt_.begin_attempt();
  const std::uint64_t serial = attempt_->serial;
  const std::string executable = python_of(config_);
  std::weak_ptr<int> alive = alive_;
  services_.probes.ask(executable, [this, alive, serial](const Result<PythonInfo>& answer) {
    if (alive.expired() || !attempt_ || attempt_->serial != serial) return;
    if (!answer) {
      explain_silence(answer.error());
      return;
    }
    python_ = *answer;
    site_folders_ = site_folders(config_, *python_, environment_);
    package_folders_ = package_folders(config_, site_folders_);
    take();
  });
}

void Moulting::make() {
  Attempt& attempt = *attempt_;
  attempt.stage = Stage::make;
  attempt.in_process |= wanted_process_ && config_.isolation == Isolation::automatic;
  const Verdict remembered = record_.packages == attempt.packages ? record_.verdict : Verdict::none;
  const auto mode = choose_mode(*python_, config_.gil, config_.isolation,
                                attempt.in_process ? Verdict::needs_process : remembered);
  if (!mode) {
    fail_attempt(mode.error());
    return;
  }
  GenerationRecord record;
  record.number = attempt.number;
  record.cause = attempt.cause;
  record.snapshot = attempt.snapshot->id;
  record.tree = attempt.snapshot->root;
  record.commit = attempt.snapshot->commit;
  record.files = attempt.snapshot->source_count;
  record.created = attempt.since;
  record.isolation = isolation_word(*mode);
  record.python = python_->version();

  place_ = attempt.place;
  MakeCommand command = make_command(config_, *attempt.snapshot, attempt.place, record_, environment_);
  command.generation = attempt.number;
  command.spec.cause = cause_word(attempt.cause.kind);
  if (config_.log_imports) command.spec.log_imports = import_reason(attempt.cause);
  const HostKey key = host_key(config_, *python_, *mode, record_, environment_);
  const Result<> made =
      take_spare(command, key)
          ? attempt.generation->load(std::move(record), attempt.snapshot,
                                     {0, command.generation, command.spec.cause}, *attempt.memfd)
          : make_generation(std::move(record), command, key);
  if (attempt.generation == nullptr) {
    fail_attempt(made.error());
    return;
  }
  announce("generation.making", *attempt.generation,
           {{"cause", cause_word(attempt.cause.kind)}, {"cause_detail", attempt.cause.detail}});
  attempt_deadline_.start(config_.start_timeout, [this] {
    std::string stage = attempt_->stage == Stage::warm_up ? "the warm-up" : "the import";
    if (attempt_->stage == Stage::hooks) stage = fmt::format("the {} hook", to_string(hooks_->hook()));
    refuse_attempt({"timeout", fmt::format("{} took longer than start_timeout ({} s)", stage,
                                           config_.start_timeout.count() / 1000.0)});
  });
  if (!made) {
    Error error = made.error();
    abandon_generation("host", error.message);
    fail_attempt(std::move(error));
  }
}

Result<> Moulting::make_generation(GenerationRecord record, const MakeCommand& command, const HostKey& key) {
  std::vector<const Host*> current;
  if (active_ != nullptr) {
    for (const auto& interpreter : active_->interpreters()) current.push_back(interpreter->host());
  }
  PlacementRequest request{key, config_.name, config_.group};
  request.company = services_.parting.company_of(config_.name, Steady::now());
  request.fresh =
      attempt_->fresh_host || is_apart();  // what crashes then takes not even its own old code along
  MOULT_ASSIGN(const std::vector<Host*> hosts,
               services_.hosts->place_several(std::move(request),
                                              static_cast<std::size_t>(config_.interpreters), current));
  generations_.push_back(std::make_unique<Generation>(services_.loop, *this, std::move(record),
                                                      attempt_->snapshot, attempt_->packages));
  attempt_->generation = generations_.back().get();
  return attempt_->generation->make(hosts, services_.lane_rounds, command, *attempt_->memfd);
}

void Moulting::on_generation_made(Generation& generation) {
  if (!attempt_ || attempt_->generation != &generation) return;
  const bool may_move = config_.isolation == Isolation::automatic && !generation.is_in_process();
  if (may_move && !generation.fell_back().empty()) {
    generation.refuse(rejection_of(generation.fell_back()));
    return;
  }
  const HostKey& made_with = generation.interpreters()[0]->host()->key();
  const HostKey wanted = host_key(config_, *python_, made_with.mode, record_, environment_);
  if (!(wanted == made_with) && attempt_->remakes < kRemakesMax) {
    ++attempt_->remakes;
    abandon_generation("stale", "the app asked for another time zone or locale of its process");
    make();
    return;
  }
  hand_over();
}

void Moulting::go_on_if_held() {
  if (attempt_ && attempt_->stage == Stage::hold && attempt_->generation != nullptr) hold_or_switch();
}

void Moulting::hold_or_switch() {
  attempt_->stage = Stage::hold;
  attempt_deadline_.stop();
  Generation& generation = *attempt_->generation;
  if (attempt_->purpose == Purpose::check) {
    AttemptOutcome outcome{.kind = AttemptOutcome::Kind::checked,
                           .make_seconds = generation.record().make_seconds,
                           .cause = attempt_->cause,
                           .snapshot = attempt_->snapshot->id,
                           .files = attempt_->snapshot->source_count,
                           .same_as_active = attempt_->same_as_active,
                           .isolation = generation.record().isolation};
    attempt_->generation = nullptr;
    generation.refuse({"check", "made to be checked, not to serve"});
    conclude(std::move(outcome));
    return;
  }
  if (doubt_.must_wait(Steady::now())) {
    waiting_for_ = fmt::format("{} changed meanwhile", doubt_.last_change());
    return;
  }
  if (draining() - draining_in_vain() >= static_cast<std::size_t>(config_.max_draining)) {
    waiting_for_ = fmt::format("draining still: {} (max_draining)", count_of(draining(), "older generation"));
    why_.add(std::chrono::system_clock::now(), {}, "waiting", waiting_for_);
    return;
  }
  waiting_for_.clear();
  announce("generation.ready", generation);
  const std::uint64_t previous = active_ != nullptr ? active_->number() : 0;
  if (attempt_->in_process) {
    record_.verdict = Verdict::needs_process;
    record_.packages = attempt_->packages;
  } else if (record_.packages != attempt_->packages) {
    record_.verdict = Verdict::none;
    record_.packages = attempt_->packages;
  }
  // What the disk holds may still be refused when something else is served again.
  const bool by_will = attempt_->snapshot_id.empty() || attempt_->cause.kind == CauseKind::rollback;
  if (by_will && !attempt_->is_fallback) last_rejected_.reset();
  if (attempt_->pin_disk)
    record_.pinned = SnapshotMark{generation.number(), attempt_->snapshot->id, *attempt_->pin_disk};
  // A pin that outlived its generation holds the one that was made of the same code.
  if (record_.pinned && record_.pinned->snapshot == attempt_->snapshot->id) {
    record_.pinned->generation = generation.number();
  }
  switch_to(generation, attempt_->cause);
  if (previous != 0) ++reloads;
  // After a death peace is counted by time: the next one may come at once.
  if (attempt_->cause.kind != CauseKind::host_lost) recovery_.on_peace();
  conclude({.kind = AttemptOutcome::Kind::switched,
            .generation = generation.number(),
            .previous = previous,
            .make_seconds = generation.record().make_seconds,
            .cause = attempt_->cause,
            .snapshot = generation.snapshot()->id,
            .isolation = generation.record().isolation});
  keep_snapshots();
}

}  // namespace moult
