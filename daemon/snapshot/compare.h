#pragma once

#include "daemon/snapshot/snapshot.h"

#include <string>
#include <vector>

namespace moult {

// A file that two snapshots do not have alike. Points into both, which must outlive it.
struct FileChange {
  std::string path;                      // below the snapshot's root; absolute for other roots
  const SnapshotFile* before = nullptr;  // null: it is new
  const SnapshotFile* after = nullptr;   // null: it is gone
};

// What differs, for people: a tree that lies in another folder now (a new release) is compared file by
// file, and a file that only one of them looked at counts as for diff(). Sorted by path.
std::vector<FileChange> changes_between(const Snapshot& old, const Snapshot& fresh);

}  // namespace moult
