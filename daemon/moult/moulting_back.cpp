#include "daemon/moult/moulting.h"

#include <fmt/format.h>

// Roll-backs: to a generation that stands by, which is warm and only adopts the state of the one that
// serves, or by an attempt from the snapshot of an older one.

namespace moult {

namespace {

std::string why_not_back_to(const AppRecord& record, const Generation& active, const std::string& app,
                            std::uint64_t number) {
  if (number == active.number()) return fmt::format("generation {} of {} serves already", number, app);
  for (const GenerationRecord& known : record.history) {
    if (known.number != number) continue;
    return known.activated == WallTime{}
               ? fmt::format("generation {} of {} has never served", number, app)
               : fmt::format("the code of generation {} of {} is not kept any more", number, app);
  }
  if (number > 0 && number < record.next_generation)
    return fmt::format("generation {} of {} is not remembered any more, or never came to be", number, app);
  return fmt::format("{} has no generation {}", app, number);
}

}  // namespace

Result<GenerationRecord> Moulting::rollback_target(std::optional<std::uint64_t> number) const {
  if (stopping_ || active_ == nullptr) {
    return fail(Error{ErrorCode::not_running,
                      fmt::format("{} serves nothing that could be rolled back", config_.name)});
  }
  std::optional<GenerationRecord> target;
  std::string can_be_had;
  for (auto record = record_.history.rbegin(); record != record_.history.rend(); ++record) {
    if (record->number == active_->number() || record->activated == WallTime{} || record->snapshot.empty())
      continue;
    can_be_had += fmt::format("{}{}", can_be_had.empty() ? "" : ", ", record->number);
    const bool is_older =
        record->number < active_->number() && record->snapshot != active_->record().snapshot;
    const bool is_it = number ? record->number == *number : is_older;
    if (is_it && !target) target = *record;
  }
  if (target) return *target;
  Error error{ErrorCode::failed, number ? why_not_back_to(record_, *active_, config_.name, *number)
                                        : config_.name + " has no earlier generation to go back to"};
  if (!can_be_had.empty()) error.hint = fmt::format("generations that can be had: {}", can_be_had);
  return fail(std::move(error));
}

Result<> Moulting::can_roll_back(std::optional<std::uint64_t> number) const {
  MOULT_TRY(rollback_target(number));
  return {};
}

Result<> Moulting::roll_back(std::optional<std::uint64_t> number, Waiter waiter) {
  MOULT_ASSIGN(const GenerationRecord target, rollback_target(number));
  ++rollbacks;
  if (way_back_ && standby_->number() == target.number) {
    way_back_->waiters.push_back(std::move(waiter));
    return {};
  }
  // What the disk holds now will not undo this; with nothing read since the start, what was so then.
  std::string disk = last_disk_snapshot_;
  if (disk.empty() && record_.pinned) disk = record_.pinned->disk;
  const Cause cause{CauseKind::rollback, std::to_string(target.number), true};
  if (standby_ == nullptr || standby_->number() != target.number) {
    attempt(cause, Purpose::serve, target.snapshot, std::move(waiter));
    (attempt_ ? attempt_ : next_)->pin_disk = disk;
    return {};
  }
  const std::vector<Waiter> left = call_off("a roll-back took its place");
  WayBack way_back{cause,
                   active_->number(),
                   target.number,
                   SnapshotMark{target.number, standby_->record().snapshot, disk},
                   record_.pinned,
                   std::chrono::system_clock::now(),
                   {}};
  if (waiter) way_back.waiters.push_back(std::move(waiter));
  go_back(std::move(way_back));
  for (const Waiter& other : left) other({.kind = AttemptOutcome::Kind::stopped});
  return {};
}

// The pin is set at once: whoever unpins from now on, or asks for something else, comes after it.
void Moulting::go_back(WayBack way_back) {
  last_rejected_.reset();
  record_.pinned = way_back.pin;
  standby_end_.stop();
  way_back_ = std::move(way_back);
  if (active_->stalled() != nullptr || !active_->has_hook("handoff") || !standby_->has_hook("adopt")) {
    switch_back();
    return;
  }
  move_state(*active_, *standby_, [this](const HookOutcome& outcome) {
    // Code that one wants to get away from must not be able to prevent it.
    if (outcome.kind == HookOutcome::Kind::failed)
      on_not_adopted(*standby_, way_back_->from, outcome.failure);
    switch_back();
  });
  owner_.on_state_changed();
}

void Moulting::switch_back() {
  hooks_.reset();
  const WayBack way_back = std::move(*way_back_);
  way_back_.reset();
  Generation& generation = *standby_;
  switch_to(generation, way_back.cause);
  for (const Waiter& waiter : way_back.waiters) {
    waiter({.kind = AttemptOutcome::Kind::switched,
            .generation = generation.number(),
            .previous = way_back.from,
            .cause = way_back.cause,
            .snapshot = generation.record().snapshot,
            .isolation = generation.record().isolation});
  }
  begin_next();
  look_again();
  owner_.on_state_changed();
}

// The standby has gone before it served: its snapshot is there still.
void Moulting::lose_way_back() {
  if (!way_back_) return;
  hooks_.reset();
  const WayBack way_back = std::move(*way_back_);
  way_back_.reset();
  if (record_.pinned && record_.pinned->generation == way_back.to) record_.pinned = way_back.pin_before;
  if (next_) {
    begin_next();  // something newer takes its place in any case
    for (const Waiter& waiter : way_back.waiters) waiter({.kind = AttemptOutcome::Kind::stopped});
    return;
  }
  attempt(way_back.cause, Purpose::serve, way_back.pin.snapshot,
          [waiters = way_back.waiters](const AttemptOutcome& outcome) {
            for (const Waiter& waiter : waiters) waiter(outcome);
          });
  if (Attempt* begun = attempt_ ? attempt_.get() : next_.get()) begun->pin_disk = way_back.pin.disk;
}

void Moulting::unpin() {
  if (!record_.pinned) return;
  record_.pinned.reset();
  save_record();
}

}  // namespace moult
