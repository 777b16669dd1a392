#pragma once

#include "ipc/base/clock.h"

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

namespace moult {

// One line of `moultctl why APP`. A value.
struct WhyEntry {
  WallTime time{};
  std::string path;       // may be empty
  std::string what;       // "seen", "ignored", "waiting", "same content", "frozen", "rejected", "switched"
  std::string rule;       // the rule or the reason: ".gitignore:3 *.log", "waits for .git/index.lock"
  std::size_t count = 1;  // how often, when it came again and again
};

// The last things that were noticed and decided about one app: kKept of what mattered, and apart from
// them kKeptIgnored of what was ignored, so that noise cannot push out a reason. An entry like one
// of the last seconds counts that one up. Owned by supervise, filled by it and by its watcher, loop
// thread.
class WhyLog {
 public:
  static constexpr std::size_t kKept = 50;
  static constexpr std::size_t kKeptIgnored = 25;

  void add(WallTime time, std::string path, std::string what, std::string rule = {});
  void add_ignored(WallTime time, std::string path, std::string rule);

  std::vector<WhyEntry> entries() const;  // by time, oldest first
  std::size_t ignored_count() const { return ignored_count_; }

 private:
  static void put(std::deque<WhyEntry>& ring, std::size_t limit, Seconds same_within, WhyEntry entry);

  std::deque<WhyEntry> entries_;
  std::deque<WhyEntry> ignored_;
  std::size_t ignored_count_ = 0;
};

}  // namespace moult
