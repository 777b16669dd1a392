#pragma once

#include "daemon/watch/change.h"
#include "ipc/base/clock.h"

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace moult {

struct SettleTimes {
  Milliseconds quiet{100};     // `settle`
  Milliseconds longest{5000};  // `settle_max`
  // An installer works for seconds, with pauses: changes of packages wait longer.
  Milliseconds packages_quiet{1000};
  Milliseconds packages_longest{30'000};
  // A lock that is held for longer than this was left behind by a crash and is not waited for.
  Milliseconds lock_patience{60'000};
};

// The changes that led to one attempt.
struct ChangeBatch {
  std::vector<Change> changes;  // distinct paths, in order of their last change; at most kKeptChanges
  std::size_t count = 0;        // of all changes
  std::size_t files = 0;        // that changed, each counted once; counted up to kCountedFiles
  bool forced = false;
  bool packages = false;  // fingerprint them: a fresh host may be needed
  SteadyTime first{};
  SteadyTime last{};
};

// Decides when changes have settled (design.md section 5.2): after `quiet` without a change and with
// no changed file still open for writing (a slow upload), at most `longest` after the first one; later
// while a VCS lock is held, a deploy bracket is open or the app
// is frozen. So a burst whose gaps are shorter than `quiet` and that ends within `longest` is taken
// once, a longer one once per `longest`, and what comes last is always taken.
//
// Pure: time is passed in. One per app, owned by supervise, loop thread:
//
//   watcher callback:  settle.on_change(change);           then arm()
//   arm():             if (auto at = settle.next_deadline()) timer.start(at - now, on_timer);
//   on_timer():        if (settle.is_due(now)) begin_attempt(settle.take()); else arm();
//
// Of a file that is said to be written without an end of it (writers.h) it asks once, when all
// is quiet, whether that is so: take_doubts(), and the answer to on_nobody_writes().
class Settle {
 public:
  static constexpr std::size_t kKeptChanges = 50;
  static constexpr std::size_t kCountedFiles = 10'000;

  explicit Settle(SettleTimes times = {}) : times_(times) {}
  void set_times(SettleTimes times) { times_ = times; }

  void on_change(const Change& change);  // also vcs_lock_taken and vcs_lock_released
  // Lets go of all locks but these: another watcher has looked, which did not see the others taken.
  void keep_locks(const std::set<std::string>& held, SteadyTime now);

  // `deploy begin`: nothing is due before close_bracket() or `until`. Opening it again moves `until`.
  void open_bracket(SteadyTime until);
  void close_bracket(SteadyTime now);
  std::optional<SteadyTime> bracket() const { return bracket_until_; }

  // While frozen changes are kept; thaw makes them due like others.
  void freeze() { frozen_ = true; }
  void thaw() { frozen_ = false; }
  bool is_frozen() const { return frozen_; }

  bool is_empty() const { return batch_.count == 0; }
  const ChangeBatch& pending() const { return batch_; }
  bool is_due(SteadyTime now) const;
  // When to ask again; none: only another event can make something due.
  std::optional<SteadyTime> next_deadline() const;
  // When there is something to ask of the files that seem to be open for writing.
  std::optional<SteadyTime> next_doubt() const;
  std::vector<std::string> take_doubts(SteadyTime now);
  void on_nobody_writes(const std::vector<std::string>& paths);
  // Why nothing is done yet: "settling (100 ms without a change)", "waits for .git/index.lock",
  // "deploy bracket (530 s left)", "frozen"; "" when nothing is pending or it is due.
  std::string waits_for(SteadyTime now) const;
  // "1 changed file waits", "3 changed files wait".
  std::string pending_text() const;
  // What holds changes back beyond the quiet time, for `why`: "deploy bracket", "the lock
  // /srv/app/.git/index.lock"; "" when nothing does.
  std::string held_by(SteadyTime now) const;

  ChangeBatch take();  // hands the pending changes over
  void drop();         // forgets them: what was switched to contains them

 private:
  struct HeldLock {
    std::string path;
    SteadyTime since;
  };
  struct Written {
    std::string path;
    bool asked = false;  // since its last change
  };
  void note_activity(SteadyTime now);
  void note_writing(const Change& change);
  Milliseconds quiet() const;
  Milliseconds longest() const;

  SettleTimes times_;
  ChangeBatch batch_;
  std::unordered_set<std::size_t> counted_;  // hashes of the paths that batch_.files counts
  SteadyTime counted_from_{};                // what `longest` is measured from
  std::vector<HeldLock> locks_;
  std::vector<Written> being_written_;
  std::optional<SteadyTime> bracket_until_;
  bool frozen_ = false;
};

}  // namespace moult
