#pragma once

#include "daemon/snapshot/snapshot.h"
#include "ipc/base/result.h"

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// The kept snapshots of one app, as files under FOLDER (…/moult/apps/NAME):
//   objects/ab/cdef…   the content with the hash abcdef…
//   snapshots/ID       the list of a snapshot (index.h)
// Each file is written beside its place and renamed into it, so a process that is killed leaves at
// most unused files, which prune() removes. An object that a power cut damaged is found by its size
// when the snapshot is loaded or by its hash when it is read, and then removed, so that the next
// snapshot writes it again.
//
// One per app and one daemon per folder. All functions block: for background threads, any of them
// (hold() keeps prune() away from a snapshot that is being taken).
class SnapshotStore {
 public:
  explicit SnapshotStore(std::string folder);

  const std::string& folder() const { return folder_; }

  Result<SnapshotPtr> load(const std::string& id) const;
  std::vector<std::string> list() const;  // ids, newest first

  // Removes all snapshots but those of `keep`, which stand in order of importance: where they have
  // more than `max_bytes` the last ones go too, the first never. The one that was taken last stays in
  // any case: an attempt may be under way with it. Returns the ids that were removed.
  Result<std::vector<std::string>> prune(const std::vector<std::string>& keep, std::uint64_t max_bytes);

  // Waits until everything is on the disk (syncfs(2)): after a switch, so that a power cut finds the
  // active snapshot whole.
  Result<> sync() const;

  // The content of a source; checked against its hash.
  Result<std::string> read(const SnapshotFile& file) const;
  // Removes what is damaged of the contents of a snapshot, so that the next one writes it anew.
  void discard_damaged(const Snapshot& snapshot) const;
  // Where that content lies, for those who read it themselves: it goes with the last snapshot that has it.
  std::string object_path(const ContentHash& hash) const;

  // For take_snapshot.
  std::unique_lock<std::mutex> hold() { return std::unique_lock(busy_); }
  Result<> put(const ContentHash& hash, std::string_view content);
  Result<> put_index(const Snapshot& snapshot);

 private:
  std::string index_path(const std::string& id) const;
  Result<> sweep(const std::vector<SnapshotPtr>& kept);

  std::string folder_;
  std::mutex busy_;
  std::string taken_last_;  // by this object; under busy_
};

}  // namespace moult
