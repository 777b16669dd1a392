#pragma once

#include "daemon/snapshot/snapshot.h"
#include "daemon/snapshot/store.h"
#include "ipc/base/clock.h"
#include "ipc/base/result.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace moult {

// How far an app's code reaches.
enum class Reach {
  tree,   // everything under the tree
  files,  // `moultd run FILE` in a home folder: the file, and the neighbours that it imports
};

struct SnapshotLimits {
  std::size_t files = 20'000;
  std::uint64_t bytes = 256u << 20;
  std::uint64_t file_bytes = 32u << 20;
  std::size_t entries = 1'000'000;  // looked at, of any kind
  Milliseconds longest{5000};       // `settle_max`: for new attempts while files change as they are read
};

// How time passes while a snapshot is taken; tests have their own. now() is asked once before all, and
// in each attempt between listing the files and reading them.
struct TakeClock {
  std::function<SteadyTime()> now;
  std::function<void(Milliseconds)> sleep;
};
TakeClock real_clock();

// What a snapshot of an app is made of: from its config and from what its generation told us.
struct SnapshotSpec {
  std::string tree;                  // as given, absolute; symlinks are followed when it is taken
  std::vector<std::string> roots;    // further folders: `path` entries, editable installs. Those of
                                     // installed packages and those inside the tree may be listed
  std::string entry_file;            // absolute; "": none. Any name will do
  bool entry_may_be_module = false;  // where there is no such file
  std::vector<std::string> data;     // files and folders named in `watch`
  std::vector<std::string> opened;   // data files that the active generation opened
  std::vector<std::string> outside;  // sources that it imported from outside the roots
  Reach reach = Reach::tree;
  SnapshotLimits limits{};
};

// Reads everything and puts the sources into the store, index included. Blocks: for a background
// thread, one at a time per store. Each file is checked for change while it was read, and in the end
// the whole list again; else it is taken anew, with growing pauses, for `limits.longest` and at least a
// few times. Errors: a source that cannot be read (its name), too large (the largest offenders), a file
// that keeps changing (timed_out: there will be another change), an entry file or a tree that is not
// there, a root whose path is no UTF-8. Folders that cannot be read,
// broken links and loops are left out.
Result<SnapshotPtr> take_snapshot(const SnapshotSpec& spec, SnapshotStore& store,
                                  const TakeClock& clock = real_clock());
// The same of what the disk holds now, to look at: nothing is put anywhere.
Result<SnapshotPtr> look_at_tree(const SnapshotSpec& spec);

// Whether `moultd run FILE` should use Reach::files: the folder is the home folder, the root folder
// or the system's temporary folder, or holds more than 20,000 files. Says why, or "". Blocks.
std::string reason_for_files_only(const std::string& tree);

}  // namespace moult
