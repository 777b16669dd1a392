#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace moult {

enum class LockState { free, held };

// Which locks of version control are held. There are two witnesses: events, which come in order but
// only since the folder is watched, and a look that a scan takes at the locks as its last step, which
// its owner hears of later than of events that came after it. So an event that was heard since the
// scan began counts for more than what the scan saw; the other events are still to come, and the
// last of them says what is. A value of one TreeWatcher.
class VcsLocks {
 public:
  using Seen = std::vector<std::pair<std::string, LockState>>;

  void on_scan_begins() { heard_.clear(); }
  // True: it was not so before.
  bool on_event(const std::string& path, LockState state);
  // `found`: all locks that there may be, as the scan saw them. Returns those that are not as before.
  Seen on_scanned(const Seen& found);
  const std::set<std::string>& held() const { return held_; }

 private:
  bool set(const std::string& path, LockState state);

  std::set<std::string> held_;
  std::set<std::string> heard_;  // of these there was an event since the scan began
};

}  // namespace moult
