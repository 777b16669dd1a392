#include "daemon/watch/settle.h"

#include "ipc/base/count_of.h"
#include "ipc/base/result.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

namespace moult {

void Settle::note_activity(SteadyTime now) {
  if (is_empty()) return;
  batch_.last = std::max(batch_.last, now);
  counted_from_ = std::max(counted_from_, now);
}

void Settle::on_change(const Change& change) {
  const auto is_it = [&change](const HeldLock& lock) { return lock.path == change.path; };
  if (change.kind == ChangeKind::vcs_lock_taken) {
    if (std::none_of(locks_.begin(), locks_.end(), is_it)) locks_.push_back({change.path, change.when});
    return;
  }
  if (change.kind == ChangeKind::vcs_lock_released) {
    // What the lock held up is counted from here: one command may take and release it several times.
    if (std::erase_if(locks_, is_it) > 0) note_activity(change.when);
    return;
  }
  if (is_empty()) {
    batch_.first = change.when;
    batch_.last = change.when;
    counted_from_ = change.when;
  }
  ++batch_.count;
  if (counted_.size() < kCountedFiles) counted_.insert(std::hash<std::string>{}(change.path));
  batch_.files = counted_.size();
  batch_.last = std::max(batch_.last, change.when);
  batch_.forced = batch_.forced || is_forced(change.kind);
  batch_.packages = batch_.packages || change.kind == ChangeKind::packages;
  note_writing(change);
  // From the back: the same file usually comes several times in a row.
  const auto same = std::find_if(
      batch_.changes.rbegin(), batch_.changes.rend(),
      [&change](const Change& other) { return other.path == change.path && other.kind == change.kind; });
  if (same != batch_.changes.rend()) {
    batch_.changes.erase(std::next(same).base());
  } else if (batch_.changes.size() == kKeptChanges) {
    batch_.changes.erase(batch_.changes.begin());
  }
  batch_.changes.push_back(change);
}

void Settle::keep_locks(const std::set<std::string>& held, SteadyTime now) {
  if (std::erase_if(locks_, [&held](const HeldLock& lock) { return !held.contains(lock.path); }) > 0)
    note_activity(now);
}

void Settle::note_writing(const Change& change) {
  const auto known = std::find_if(being_written_.begin(), being_written_.end(),
                                  [&change](const Written& file) { return file.path == change.path; });
  if (change.writing == Writing::unknown) return;
  if (change.writing == Writing::no) {
    if (known != being_written_.end()) being_written_.erase(known);
  } else if (known != being_written_.end()) {
    known->asked = false;
  } else if (being_written_.size() < kKeptChanges) {
    being_written_.push_back({change.path});
  }
}

std::optional<SteadyTime> Settle::next_doubt() const {
  const auto is_open = [](const Written& file) { return !file.asked; };
  if (is_empty() || std::none_of(being_written_.begin(), being_written_.end(), is_open)) return std::nullopt;
  return batch_.last + quiet();
}

std::vector<std::string> Settle::take_doubts(SteadyTime now) {
  std::vector<std::string> paths;
  const auto at = next_doubt();
  if (!at || now < *at) return paths;
  for (Written& file : being_written_) {
    if (!std::exchange(file.asked, true)) paths.push_back(file.path);
  }
  return paths;
}

void Settle::on_nobody_writes(const std::vector<std::string>& paths) {
  // One that was written again meanwhile is asked for again.
  std::erase_if(being_written_, [&paths](const Written& file) {
    return file.asked && std::find(paths.begin(), paths.end(), file.path) != paths.end();
  });
}

Milliseconds Settle::quiet() const {
  return batch_.packages ? std::max(times_.quiet, times_.packages_quiet) : times_.quiet;
}

Milliseconds Settle::longest() const {
  return batch_.packages ? std::max(times_.longest, times_.packages_longest) : times_.longest;
}

void Settle::open_bracket(SteadyTime until) { bracket_until_ = until; }

void Settle::close_bracket(SteadyTime now) {
  if (!bracket_until_) return;
  bracket_until_.reset();
  note_activity(now);
}

std::optional<SteadyTime> Settle::next_deadline() const {
  if (is_empty() || frozen_) return std::nullopt;
  SteadyTime due = counted_from_ + longest();
  if (being_written_.empty()) due = std::min(due, batch_.last + quiet());
  for (const HeldLock& lock : locks_) due = std::max(due, lock.since + times_.lock_patience);
  if (bracket_until_) due = std::max(due, *bracket_until_);
  return due;
}

bool Settle::is_due(SteadyTime now) const {
  const auto due = next_deadline();
  return due && now >= *due;
}

std::string Settle::waits_for(SteadyTime now) const {
  if (is_empty() || is_due(now)) return {};
  if (frozen_) return "frozen";
  if (bracket_until_ && now < *bracket_until_) {
    return fmt::format("deploy bracket ({} s left)",
                       std::chrono::ceil<std::chrono::seconds>(*bracket_until_ - now).count());
  }
  for (const HeldLock& lock : locks_) {
    if (now < lock.since + times_.lock_patience) return fmt::format("waits for {}", lock.path);
  }
  if (!being_written_.empty()) return fmt::format("{} is being written", being_written_.back().path);
  return fmt::format("settling ({} ms without a change)", quiet().count());
}

std::string Settle::pending_text() const {
  return fmt::format("{} {}", count_of(batch_.files, "changed file"), batch_.files == 1 ? "waits" : "wait");
}

std::string Settle::held_by(SteadyTime now) const {
  if (bracket_until_ && now < *bracket_until_) return "deploy bracket";
  for (const HeldLock& lock : locks_) {
    if (now < lock.since + times_.lock_patience) return fmt::format("the lock {}", lock.path);
  }
  return {};
}

ChangeBatch Settle::take() {
  MOULT_CHECK(!is_empty(), "nothing has changed");
  being_written_.clear();
  counted_.clear();
  return std::exchange(batch_, ChangeBatch{});
}

void Settle::drop() {
  being_written_.clear();
  counted_.clear();
  batch_ = ChangeBatch{};
}

}  // namespace moult
