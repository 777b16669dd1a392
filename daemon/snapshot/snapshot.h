#pragma once

#include "ipc/base/clock.h"
#include "ipc/base/content_hash.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// Snapshots, in short:
//
//   SnapshotStore store(state_folder + "/apps/" + name);    // one per app
//   auto taken = take_snapshot(spec, store);                // take.h; blocks: in the background
//   if (taken && !differs(diff(*active, **taken))) …        // the same code: nothing to do
//   Result<Fd> memfd = make_memfd(**taken, store);          // memfd.h; for the host
//   store.prune({active->id, previous->id}, max_bytes);
//   auto again = store.load(id);                            // also after a restart of the daemon

enum class SnapshotKind : std::uint8_t {
  source,  // importable: its content is in the store and travels to the host. Below one of the roots,
           // or imported from elsewhere by the generation before
  data,    // named in `watch` or opened by the generation: only its hash counts
};

// One file of a snapshot. A data file that was looked for and is not there has the hash "nothing".
struct SnapshotFile {
  std::string path;  // absolute, below the resolved root; bytes, not always UTF-8
  SnapshotKind kind = SnapshotKind::source;
  std::uint64_t size = 0;
  std::int64_t changed = 0;  // ctime, ns
  ContentHash hash;
};

// The sources of an app at one moment. Immutable and shared: a generation holds the one that it was
// made from. Any thread.
struct Snapshot {
  std::string id;                  // 64 hex digits: the hash over (path, content) of all sources and the root
  std::string root;                // the tree's real path when it was taken
  std::vector<std::string> roots;  // resolved folders whose sources are in it; the first is `root`
  std::vector<SnapshotFile> files;  // sorted by path
  std::uint64_t source_bytes = 0;
  std::size_t source_count = 0;
  WallTime taken{};
  std::string commit;              // of the VCS, 40 hex digits; empty: none or not known
  std::vector<std::string> notes;  // what a person should know: "folder x cannot be read: left out"

  const SnapshotFile* find(std::string_view path) const;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// Sorts the files and fills in the sums and the id.
SnapshotPtr finish_snapshot(Snapshot snapshot);

struct SnapshotDiff {
  std::vector<std::string> changed;  // data files too
  std::vector<std::string> added;
  std::vector<std::string> removed;
  bool root_moved = false;  // another release folder
};

// Is in a snapshot only because a generation uses it: a data file, or a source outside of all roots.
bool is_extra(const SnapshotFile& file, const Snapshot& snapshot);
// Of an extra file that `old` did not look at, what it held then is not known: it counts as changed when it
// was changed after `old` was taken (generations use files long after their snapshot).
bool is_newer(const SnapshotFile& file, const Snapshot& old);

// What is different in `fresh`. An extra file that `old` did not look at counts if it is newer; one that
// only `old` looked at does not count.
SnapshotDiff diff(const Snapshot& old, const Snapshot& fresh);
bool differs(const SnapshotDiff& difference);
// For logs and causes: "blog/views.py", "blog/views.py and 3 more", relative to the root.
std::string summary(const SnapshotDiff& difference, const Snapshot& fresh);

}  // namespace moult
