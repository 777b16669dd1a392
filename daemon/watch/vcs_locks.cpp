#include "daemon/watch/vcs_locks.h"

#include <algorithm>

namespace moult {

bool VcsLocks::set(const std::string& path, LockState state) {
  return state == LockState::held ? held_.insert(path).second : held_.erase(path) > 0;
}

bool VcsLocks::on_event(const std::string& path, LockState state) {
  heard_.insert(path);
  return set(path, state);
}

VcsLocks::Seen VcsLocks::on_scanned(const Seen& found) {
  Seen changed;
  // Of another working copy: the tree is a link that was turned.
  for (const std::string& path : std::set<std::string>(held_)) {
    const auto is_it = [&path](const auto& lock) { return lock.first == path; };
    if (std::any_of(found.begin(), found.end(), is_it)) continue;
    held_.erase(path);
    changed.emplace_back(path, LockState::free);
  }
  for (const auto& [path, state] : found) {
    if (!heard_.contains(path) && set(path, state)) changed.emplace_back(path, state);
  }
  return changed;
}

}  // namespace moult
