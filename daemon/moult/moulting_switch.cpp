#include "daemon/moult/ladder.h"
#include "daemon/moult/moulting.h"
#include "ipc/base/count_of.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

// What follows an attempt: the switch, drains, the standby, the end of generations, and what is
// remembered of them.

namespace moult {

namespace {

constexpr Milliseconds kRetireRest{300};
constexpr std::size_t kWrittenMax = 10'000;

}  // namespace

void Moulting::switch_to(Generation& generation, const Cause& cause) {
  if (attempt_ && attempt_->generation == &generation) attempt_->generation = nullptr;
  Generation* old = std::exchange(active_, &generation);
  const GenerationState before = generation.state();
  if (standby_ == &generation) {
    standby_ = nullptr;
    standby_end_.stop();
  }
  generation.activate();
  if (wanted_process_ && generation.is_in_process()) record_.verdict_reason = describe(*wanted_process_);
  wanted_process_.reset();
  dispatcher_.set_active(&generation);
  recovery_.on_serving(cause.kind == CauseKind::rollback || (attempt_ && attempt_->snapshot_id.empty()));
  EventData data{{"make_seconds", generation.record().make_seconds}};
  if (old != nullptr) data.emplace_back("previous", static_cast<std::int64_t>(old->number()));
  announce("generation.active", generation, std::move(data));
  const Host* const host = generation.interpreters()[0]->host();
  services_.log.info(fmt::format("generation {} serves{} ({}, {:.0f} ms)", generation.number(),
                                 before == GenerationState::standby ? " again" : "", describe(cause),
                                 generation.record().make_seconds * 1e3),
                     {{"app", config_.name},
                      {"cause", describe(cause)},
                      {"seconds", std::round(generation.record().make_seconds * 1e3) / 1e3},
                      {"isolation", std::string(generation.is_in_process() ? "process" : "interpreter")},
                      {"host", host != nullptr ? host->number() : 0},
                      {"pid", host != nullptr ? host->pid() : 0}});
  why_.add(std::chrono::system_clock::now(), {}, "switched",
           fmt::format("generation {}: {}", generation.number(), describe(cause)));
  if (old != nullptr) {
    old->replace();
    announce("generation.draining", *old);
    if (old->in_flight() == 0) finish_drain(*old);
  }
  record_.active = SnapshotMark{generation.number(), generation.record().snapshot, {}};
  record_.remember(generation.record());
  save_record();
  owner_.on_switched(generation);
}

void Moulting::finish_drain(Generation& generation) {
  if (generation.state() != GenerationState::draining) return;
  const bool leaves_host = std::any_of(
      generation.interpreters().begin(), generation.interpreters().end(), [this](const auto& interpreter) {
        return interpreter->host() == nullptr || !interpreter->host()->keeps(config_.name) ||
               interpreter->is_stalled();
      });
  // The standby is the generation that served last, not the one that drained last. One that is being
  // gone back to stays what it is.
  const bool served_before_standby =
      standby_ != nullptr && generation.draining_since() < standby_->draining_since();
  if (config_.keep_previous.count() == 0 || services_.memory_is_short || stopping_ || way_back_ ||
      leaves_host || served_before_standby || generation.has_stuck_worker()) {
    retire(generation);
  } else {
    drop_standby();
    generation.keep_as_standby();
    standby_ = &generation;
    announce("generation.standby", generation);
    standby_end_.start(config_.keep_previous, [this] { drop_standby(); });
  }
  told_drained();
  go_on_if_held();
}

void Moulting::drop_standby() {
  standby_end_.stop();
  Generation* old = std::exchange(standby_, nullptr);
  if (way_back_) hooks_.reset();
  if (old != nullptr) retire(*old);
  lose_way_back();
}

void Moulting::give_up_reserves() {
  spare_.drop();
  if (!way_back_) drop_standby();
}

// With a shared GIL the end of an interpreter keeps all others waiting for a moment, which is not to be
// that of the first calls of new code.
void Moulting::retire(Generation& generation) {
  generation.retire(config_.retire_timeout, stopping_ ? Milliseconds(0) : kRetireRest);
  record_.remember(generation.record());
}

// Ends what is being attempted; returns those who wait for it.
std::vector<Moulting::Waiter> Moulting::call_off(const std::string& why) {
  std::vector<Waiter> left;
  for (auto* attempt : {&next_, &attempt_}) {
    if (*attempt) std::move((*attempt)->waiters.begin(), (*attempt)->waiters.end(), std::back_inserter(left));
  }
  if (attempt_) abandon_generation("stale", why);
  end_attempt();
  next_.reset();
  return left;
}

void Moulting::when_drained(std::function<void()> done) {
  drain_waiters_.push_back(std::move(done));
  told_drained();
}

void Moulting::told_drained() {
  if (draining() > 0) return;
  for (const auto& done : std::exchange(drain_waiters_, {})) done();
}

void Moulting::stop() {
  if (stopping_) {
    bury_soon();  // who asks again waits for the end as well, which may have been told already
    return;
  }
  stopping_ = true;
  recovery_.stop();
  wanted_process_.reset();
  std::vector<Waiter> left = call_off("the app is being stopped");
  if (way_back_) {
    hooks_.reset();
    std::move(way_back_->waiters.begin(), way_back_->waiters.end(), std::back_inserter(left));
    way_back_.reset();
  }
  drop_standby();
  spare_.drop();
  dispatcher_.set_active(nullptr);
  if (Generation* old = std::exchange(active_, nullptr); old != nullptr) {
    old->replace();
    if (old->in_flight() == 0) finish_drain(*old);
  }
  for (const auto& generation : generations_) generation->hurry();
  for (const Waiter& waiter : left) waiter({.kind = AttemptOutcome::Kind::stopped});
  bury_soon();
}

void Moulting::sweep(SteadyTime now) {
  leave_stuck_hosts();
  std::vector<Generation*> overdue;
  for (const auto& generation : generations_) {
    if (generation->state() != GenerationState::draining) continue;
    generation->look_after_calls(now);
    const Generation::Overdue late =
        generation->interrupt_calls(now, overdue_if_before(now, config_.call_timeout));
    stats_.timeouts += static_cast<std::uint64_t>(late.interrupted);
    if (generation->in_flight() == 0)
      overdue.push_back(generation.get());
    else if (now - generation->draining_since() > config_.drain_timeout)
      overdue.push_back(generation.get());
  }
  for (Generation* generation : overdue) {
    const Generation::Overdue result = generation->interrupt_calls(now, SteadyTime::max());
    if (result.interrupted > 0) tell_outlived(*generation, result.interrupted);
    if (generation->in_flight() == 0) finish_drain(*generation);
  }
}

void Moulting::tell_outlived(Generation& generation, int calls) {
  const auto killed = static_cast<std::uint64_t>(calls);
  stats_.drain_killed += killed;
  generation.record().drain_killed += killed;
  services_.log.warning(fmt::format("{} of generation {} outlived drain_timeout: interrupted",
                                    count_of(killed, "call"), generation.number()),
                        {{"app", config_.name}});
  announce("call.killed", generation, {{"reason", "drain_timeout"}});
}

std::size_t Moulting::draining() const {
  return static_cast<std::size_t>(
      std::count_if(generations_.begin(), generations_.end(),
                    [](const auto& generation) { return generation->state() == GenerationState::draining; }));
}

// Those in a host that does not answer: they would keep the app from leaving it.
std::size_t Moulting::draining_in_vain() const {
  return static_cast<std::size_t>(
      std::count_if(generations_.begin(), generations_.end(), [](const auto& generation) {
        return generation->state() == GenerationState::draining && generation->stalled() != nullptr;
      }));
}

void Moulting::on_generation_idle(Generation& generation) { finish_drain(generation); }

void Moulting::on_generation_ended(Generation& generation) {
  if (generation.has_abandoned_interpreter()) {
    const bool is_spare = generation.number() == 0;
    const std::string what = is_spare ? "the spare" : fmt::format("generation {}", generation.number());
    services_.log.warning(what + " could not be ended and was abandoned", {{"app", config_.name}});
    if (!is_spare) announce("generation.abandoned", generation);
    for (const auto& interpreter : generation.interpreters()) {
      Host* host = interpreter->host();
      if (interpreter->state() != Interpreter::State::abandoned || host == nullptr) continue;
      if (host->dedicated) {
        host->dismiss();
      } else {
        services_.hosts->recycle(*host, fmt::format("an interpreter of {} was abandoned", config_.name));
      }
    }
  } else if (generation.state() == GenerationState::retired && generation.number() != 0) {
    announce("generation.retired", generation);
  }
  if (generation.number() != 0 && generation.record().rejection.stage != "stale") {
    record_.remember(generation.record());
  }
  bury_soon();
}

void Moulting::bury_soon() {
  burial_.start(Milliseconds(0), [this] {
    std::erase_if(generations_, [this](const auto& generation) {
      return generation->has_ended() && generation.get() != active_ && generation.get() != standby_ &&
             (is_final(generation->state()) || generation->state() == GenerationState::lost);
    });
    go_on_if_held();
    if (stopping_ && generations_.empty()) {
      save_record();
      owner_.on_all_ended();
    }
  });
}

void Moulting::on_flight_ended(Generation& generation, Flight& flight) {
  dispatcher_.on_flight_ended(flight);
  on_room(generation);
}

void Moulting::on_room(Generation& generation) {
  dispatcher_.on_room();
  if (hooks_) hooks_->on_room(generation);
  if (warm_up_ && attempt_ && attempt_->generation == &generation) warm_up_->on_room();
}

void Moulting::on_call_lost(Generation&, Call& call) { dispatcher_.on_call_lost(call); }

void Moulting::on_files_used(Generation& generation, const std::vector<std::string>& files) {
  owner_.on_files_used(generation, files);
}

void Moulting::on_files_written(const std::vector<std::string>& files) {
  // Uploads have a new name each; what nobody reads is forgotten first.
  if (written_.size() + files.size() > kWrittenMax) {
    std::erase_if(written_, [this](const std::string& file) {
      return active_ == nullptr || !active_->files_used().contains(file);
    });
    if (written_.size() > kWrittenMax / 2) written_.clear();  // or each further one would look through them
  }
  for (const std::string& file : files) {
    if (written_.size() < kWrittenMax) written_.insert(file);
  }
  owner_.on_files_written(files);
}

void Moulting::on_notice(Generation& generation, const HostEvent& event) {
  if (const auto* asks = std::get_if<AsksEvent>(&event)) {
    owner_.on_asked(generation, asks->what);
  } else if (const auto* wide = std::get_if<ProcessWideEvent>(&event)) {
    on_process_wide(generation, *wide);
  } else if (const auto* abandoned = std::get_if<AbandonedEvent>(&event)) {
    std::string text = fmt::format("abandoned: {}", abandoned->why);
    for (const std::string& thread : abandoned->threads) text += fmt::format("\n  thread {}", thread);
    owner_.on_log_line(generation.number(), 'm', text);
  } else if (const auto* notice = std::get_if<NoticeEvent>(&event)) {
    const std::string place = notice->file.empty() ? "" : fmt::format(" ({}:{})", notice->file, notice->line);
    owner_.on_log_line(generation.number(), 'm', notice->text + place);
  }
}

void Moulting::on_process_wide(Generation& generation, const ProcessWideEvent& event) {
  const std::string name = event.what == "tz" ? "TZ" : "LC_ALL";
  if (record_.c_environment[name] == event.value) return;
  if (++process_wide_changes_ > kProcessWideMax) {
    if (process_wide_changes_ == kProcessWideMax + 1) {
      owner_.on_log_line(generation.number(), 'm',
                         fmt::format("{} is set again and again: a process has only one; isolation = "
                                     "\"process\" gives the app one of its own",
                                     name));
    }
    return;
  }
  record_.c_environment[name] = event.value;
  process_wide_notes_.push_back({fmt::format("{}={}", name, event.value), "", 0});
  services_.log.info(
      fmt::format("the app asked its process for {}={}: it gets a host started with that", name, event.value),
      {{"app", config_.name}});
  if (&generation == active_ && !is_busy()) {
    attempt({CauseKind::settings, fmt::format("{}={}", name, event.value), true}, Purpose::serve,
            generation.record().snapshot, {});
  }
}

void Moulting::on_log_line(Generation& generation, char stream, std::string_view line) {
  owner_.on_log_line(generation.number(), stream, line);
}

void Moulting::announce(std::string_view event, const Generation& generation, EventData more) {
  more.insert(more.begin(), {"generation", static_cast<std::int64_t>(generation.number())});
  services_.events.event(event, config_.name, std::move(more));
}

// Keeps the active snapshot, the pinned one and the last that served; the others go.
void Moulting::keep_snapshots() {
  const std::vector<std::string> keep = record_.snapshots_to_keep(services_.snapshots_kept);
  // Records whose snapshots go cannot be rolled back to.
  for (GenerationRecord& record : record_.history) {
    if (std::find(keep.begin(), keep.end(), record.snapshot) == keep.end()) record.snapshot.clear();
  }
  uv::run_in_background(
      services_.loop, {uv::Work::other, config_.name},
      [store = store_, keep, most = services_.snapshot_bytes_max] {
        // Neither can fail in a way that somebody could act on: the next switch tries again.
        [[maybe_unused]] const auto synced = store->sync();
        [[maybe_unused]] const auto pruned = store->prune(keep, most);
      },
      [] {});
}

void Moulting::when_saved(std::function<void()> done) {
  save_record();
  record_file_.when_saved(std::move(done));
}

}  // namespace moult
