#include "daemon/moult/ladder.h"
#include "daemon/moult/moulting.h"

#include <fmt/format.h>

#include <algorithm>

// What brings an app back, or away from where it cannot stay: hosts that died, that are to be left,
// that hold a call which cannot be ended.

namespace moult {

namespace {

// An app that cannot be made elsewhere stays where it is for so long.
constexpr Milliseconds kLeaveAgain{30'000};
// At the first lack of descriptors; a back-off like that after deaths follows.
constexpr Milliseconds kMeansAgain{1'000};

}  // namespace

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
  // A neighbour's doing is nothing to wait for: the neighbour lives alone from now on.
  const bool is_it = services_.death.app == config_.name;
  const Milliseconds wait = is_it ? restarts_.on_death(Steady::now()) : Milliseconds(0);
  lost_ = Lost{{CauseKind::host_lost, how, true}, generation.record().snapshot, Steady::now() + wait};
  if (wait.count() > 0) {
    services_.log.warning(fmt::format("the host died again; next try in {} s", wait.count() / 1000.0),
                          {{"app", config_.name}});
  }
  look_again();
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

std::optional<SteadyTime> Moulting::backing_off_until() const {
  if (active_ != nullptr || !lost_ || is_busy()) return std::nullopt;
  return lost_->retry_at;
}

// Does what could not be done while an attempt was under way. Called whenever one has ended.
void Moulting::look_again() {
  if (is_busy() || stopping_) return;
  if (active_ == nullptr) {
    if (!lost_) return;
    recover_.start(until(lost_->retry_at), [this] {
      if (is_busy() || stopping_ || active_ != nullptr || !lost_) return;
      attempt(lost_->cause, Purpose::serve, lost_->snapshot, {});
    });
    return;
  }
  if (move_to_process()) return;
  for (const auto& interpreter : active_->interpreters()) {
    const Host* host = interpreter->host();
    if (host != nullptr && host->keeps(config_.name)) continue;
    const std::string why = host == nullptr   ? ""
                            : host->recycling ? host->recycle_reason
                                              : fmt::format("because of {}: {}", host->keeper, host->trouble);
    const Cause cause = host != nullptr ? Cause{CauseKind::recycle, why, true}
                                        : Cause{CauseKind::host_lost, "was lost, one of several", true};
    recover_.start(until(leave_again_at_), [this, cause] {
      if (is_busy() || stopping_ || active_ == nullptr) return;
      leave_again_at_ = Steady::now() + kLeaveAgain;
      attempt(cause, Purpose::serve, active_->record().snapshot, {});
    });
    return;
  }
}

// With nothing serving there is something better than to wait for a change: the disk, what served
// last, or, after a death, the same again a little later.
void Moulting::try_again_after(const Attempt& attempt, const Rejection& rejection) {
  if (attempt.lacked_means && active_ != nullptr) return try_again_later(attempt);
  if (active_ != nullptr || is_busy() || stopping_ || attempt.purpose == Purpose::check) return;
  const bool from_disk = attempt.snapshot_id.empty();
  if (!from_disk && rejection.stage == "snapshot" && !attempt.lacked_means) {
    services_.log.warning(fmt::format("the kept snapshot cannot be used ({}): serving what is on the disk{}",
                                      rejection.error, record_.pinned ? ", and the pin is given up" : ""),
                          {{"app", config_.name}});
    record_.pinned.reset();
    lost_.reset();
    this->attempt({CauseKind::start, "the kept snapshot cannot be used", true}, Purpose::serve, {}, {});
    return;
  }
  // Without a host no code can be served, whichever it is.
  if (from_disk && rejection.stage != "host" && record_.active &&
      (!attempt.snapshot || attempt.snapshot->id != record_.active->snapshot)) {
    const std::uint64_t last = record_.active->generation;
    services_.log.warning(fmt::format("serving the code of generation {}, which was active last", last),
                          {{"app", config_.name}});
    this->attempt({CauseKind::rollback, std::to_string(last), true}, Purpose::serve, record_.active->snapshot,
                  {});
    (attempt_ ? attempt_ : next_)->is_fallback = true;
    return;
  }
  if (attempt.cause.kind != CauseKind::host_lost && rejection.stage != "crash" && !attempt.lacked_means)
    return;
  const Milliseconds wait =
      std::max(restarts_.on_death(Steady::now()), attempt.lacked_means ? kMeansAgain : Milliseconds(0));
  lost_ = Lost{attempt.cause, attempt.snapshot_id, Steady::now() + wait};
  services_.log.warning(fmt::format("next try in {} s", wait.count() / 1000.0), {{"app", config_.name}});
}

// The code is not to blame, and nothing will change on the disk: others have to give something back.
void Moulting::try_again_later(const Attempt& attempt) {
  if (stopping_ || attempt.purpose == Purpose::check) return;
  const Milliseconds wait = std::max(restarts_.on_death(Steady::now()), kMeansAgain);
  services_.log.warning(fmt::format("next try in {} s", wait.count() / 1000.0), {{"app", config_.name}});
  again_.start(wait, [this, cause = attempt.cause, snapshot = attempt.snapshot_id] {
    if (is_busy() || stopping_) return;
    this->attempt(cause, Purpose::serve, snapshot, {});
  });
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
