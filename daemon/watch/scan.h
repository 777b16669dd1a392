#pragma once

#include "daemon/snapshot/take.h"
#include "daemon/tree/ignore_rules.h"
#include "daemon/watch/file_table.h"
#include "daemon/watch/inotify.h"
#include "daemon/watch/tree_watcher.h"
#include "daemon/watch/vcs_locks.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace moult {

// What an inotify watch is for; one folder may be watched for several reasons.
enum class WatchRole {
  tree,      // a folder of sources: every name may be one
  data,      // below a folder named in `watch`
  names,     // only for single names in it (points)
  packages,  // the top level of installed packages
  self,      // on the way to something: that it is moved or deleted
};

struct FolderWatch {
  int number = 0;
  WatchRole role = WatchRole::tree;
  std::string folder;
  bool operator==(const FolderWatch&) const = default;
};

// A single path whose events mean something wherever it lies.
enum class PointRole {
  rescan,  // a link, the root, or a missing piece on the way: look at everything again
  file,    // an imported file: a source
  data,    // opened by the generation or named in `watch`
  entry,   // a source, and a touch of it is forced
  restart,
  lock,  // of a VCS
};
struct Point {
  PointRole role = PointRole::rescan;
  std::string reported;  // the path that people know: the symlink, not where it leads
};
using Points = std::unordered_map<std::string, Point>;

struct ScanFolder {
  std::string path;
  WatchRole role;  // tree or data
  bool operator==(const ScanFolder&) const = default;
};

// What to look at. `folders` and `files` are looked at in addition to what `before` has, which must
// then be a table of the same spec.
struct ScanRequest {
  WatchSpec spec;
  std::vector<std::string> imported;  // files; when `whole`, all that are known
  std::vector<std::string> opened;
  bool whole = true;                          // everything, from the root
  std::vector<ScanFolder> folders;            // not whole: only below these, which may be gone
  std::vector<std::string> probes;            // stamps of these, and whether they are links
  std::shared_ptr<const InotifyAdder> adder;  // null: poll
  FileTablePtr before;
  IgnoreRulesPtr rules;  // of `before`, when not whole
};

struct IgnoredPath {
  std::string path;
  std::string rule;
};

struct ScanResult {
  FileTablePtr table;
  std::vector<TableChange> changes;  // against `before`, when there was one
  std::vector<FolderWatch> watches;  // new ones; when `whole`, all
  Points points;
  IgnoreRulesPtr rules;
  std::vector<IgnoredPath> ignored_folders;  // some of them
  std::vector<std::pair<std::string, FileStamp>> probed;
  bool found_link = false;  // among the probes
  VcsLocks::Seen locks;     // when `whole`: as they were at the end
  std::string root;         // real; "" = the tree is not there
  std::string problem;      // why inotify cannot do it: "nfs on /srv/app …"
  std::size_t folders = 0;
  Seconds cost{};
};

// A file of the top level of installed packages that Python itself reads: "six.py", "x.so", "y.pth".
bool is_installed_module(std::string_view name);

// Looks at an app's files, adding each folder's watch before reading it, so that nothing is missed in
// between. Blocks: background thread.
ScanResult scan(const ScanRequest& request);

}  // namespace moult
