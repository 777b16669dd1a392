#include "daemon/moult/ladder.h"
#include "daemon/moult/moulting.h"

#include <fmt/format.h>

#include <algorithm>

// What brings an app back, or away from where it cannot stay: hosts that died, that are to be left,
// that hold a call which cannot be ended.

namespace moult {

void Moulting::on_generation_lost(Generation& generation, const std::string& how) {
  announce("generation.lost", generation, {{"reason", how}});
  record_.remember(generation.record());
  if (hooks_) hooks_->on_generation_lost(generation);
  if (standby_ == &generation) {
    standby_ = nullptr;
    standby_end_.stop();
    lose_way_back();
  }
  if (&generation != active_) {
    told_drained();
    return;
  }
  active_ = nullptr;
  ++host_deaths;
  dispatcher_.set_active(nullptr);
  if (stopping_) return;
  if (attempt_ && attempt_->purpose == Purpose::check) {
    for (const Waiter& left : call_off("the host died")) left({.kind = AttemptOutcome::Kind::stopped});
  }
  recovery_.on_death({{CauseKind::host_lost, how, true}, generation.record().snapshot},
                     services_.death.app == config_.name, Steady::now());
  owner_.on_state_changed();
}

// One of several hosts of a generation died: the others serve on while it is made again.
void Moulting::on_generation_hurt(Generation& generation, const std::string& how) {
  announce("generation.hurt", generation, {{"reason", how}});
  if (&generation == standby_) {
    drop_standby();
  } else if (&generation == active_) {
    ++host_deaths;
    services_.log.warning(fmt::format("a host of generation {} {}", generation.number(), how),
                          {{"app", config_.name}});
    look_again();
  } else if (generation.in_flight() == 0) {
    finish_drain(generation);
  }
}

void Moulting::look_again() {
  if (may_recover() && !move_to_process()) recovery_.look_again();
}

std::optional<Recovery::Wanted> Moulting::departure() const {
  for (const auto& interpreter : active_->interpreters()) {
    const Host* host = interpreter->host();
    if (host != nullptr && host->keeps(config_.name)) continue;
    Cause cause{CauseKind::host_lost, "was lost, one of several", true};
    if (host != nullptr) {
      cause.kind = CauseKind::recycle;
      cause.detail = host->recycling ? host->recycle_reason
                                     : fmt::format("because of {}: {}", host->keeper, host->trouble);
    }
    return Recovery::Wanted{std::move(cause), active_->record().snapshot};
  }
  return std::nullopt;
}

void Moulting::make_again(Recovery::Wanted wanted) {
  attempt(std::move(wanted.cause), Purpose::serve, std::move(wanted.snapshot), {});
}

void Moulting::make_from_disk(const std::string& error) {
  services_.log.warning(fmt::format("the kept snapshot cannot be used ({}): serving what is on the disk{}",
                                    error, record_.pinned ? ", and the pin is given up" : ""),
                        {{"app", config_.name}});
  record_.pinned.reset();
  attempt({CauseKind::start, "the kept snapshot cannot be used", true}, Purpose::serve, {}, {});
}

void Moulting::fall_back(const SnapshotMark& last) {
  services_.log.warning(
      fmt::format("serving the code of generation {}, which was active last", last.generation),
      {{"app", config_.name}});
  attempt({CauseKind::rollback, std::to_string(last.generation), true}, Purpose::serve, last.snapshot, {});
  (attempt_ ? attempt_ : next_)->is_fallback = true;
}

void Moulting::wake_recovery_at(SteadyTime time) {
  recovery_time_.start(until(time), [this] { recovery_.on_time(Steady::now()); });
}

void Moulting::tell_next_try(std::string_view why, Milliseconds wait) {
  services_.log.warning(fmt::format("{}next try in {} s", why, wait.count() / 1000.0),
                        {{"app", config_.name}});
}

// A thread that no exception reaches holds a worker for good: the app moves to another host.
void Moulting::leave_stuck_hosts() {
  if (stopping_ || active_ == nullptr || !active_->has_stuck_worker()) return;
  for (const auto& interpreter : active_->interpreters()) {
    Host* host = interpreter->host();
    if (host == nullptr || host->recycling || !interpreter->has_stuck_worker()) continue;
    services_.hosts->recycle(*host, fmt::format("a call of {} cannot be ended", config_.name));
    return;
  }
}

// What it lacked may be what a neighbour holds: once more in a new host, which all innocent apps move to.
bool Moulting::leave_full_hosts(const Generation& generation, const Rejection& rejection) {
  if (attempt_->left_full_host || !lacks_descriptors(rejection)) return false;
  attempt_->left_full_host = true;
  bool leaves = false;
  for (const auto& interpreter : generation.interpreters()) {
    Host* host = interpreter->host();
    if (host == nullptr || host->dedicated) continue;
    services_.hosts->leave_full(*host);
    leaves |= host->recycling;
  }
  if (leaves) make();
  return leaves;
}

void Moulting::leave_host(const Host& host) {
  if (standby_ != nullptr && standby_->lives_on(host)) drop_standby();
  if (spare_.generation() != nullptr && spare_.generation()->lives_on(host)) spare_.drop();
  if (active_ != nullptr && active_->lives_on(host)) look_again();
}

bool Moulting::lives_on(const Host& host) const {
  return std::any_of(generations_.begin(), generations_.end(),
                     [&host](const auto& generation) { return generation->lives_on(host); });
}

void Moulting::leave_stalled(const Host& host, const Blame& blame) {
  if (attempt_ && attempt_->generation != nullptr && attempt_->generation->lives_on(host) &&
      !(blame.app == config_.name && blame.generation == attempt_->number)) {
    abandon_generation("stale", "its host does not answer: " + host.trouble);
    make();
  }
  leave_host(host);
}

}  // namespace moult
