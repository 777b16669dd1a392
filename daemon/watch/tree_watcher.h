#pragma once

#include "daemon/snapshot/take.h"
#include "daemon/watch/change.h"
#include "daemon/watch/inotify.h"
#include "daemon/watch/why_log.h"
#include "ipc/uv/loop.h"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace moult {

enum class WatchMode { starting, inotify, polling };
std::string_view to_string(WatchMode mode);

// What is watched for one app. All paths absolute.
struct WatchSpec {
  std::string tree;                   // as given: a symlink on the way is watched too
  std::vector<std::string> roots;     // further folders of sources
  std::string entry_file;             // need not be there
  std::string restart_file;           // "" = tree/tmp/restart.txt
  std::vector<std::string> watch;     // files and folders whose content counts
  std::vector<std::string> ignore;    // gitignore patterns relative to the tree
  std::vector<std::string> packages;  // site-packages folders: their top level
  Reach reach = Reach::tree;          // files: the entry, the neighbours it imports, add_files()
  bool opened = true;                 // files that the generation has opened count
  bool always_poll = false;           // `polling = true`
  bool operator==(const WatchSpec&) const = default;
};

struct WatchStatus {
  WatchMode mode = WatchMode::starting;
  std::string note;  // why it polls, what is not watched; "" when all is well
  std::size_t folders = 0;
  std::size_t files = 0;
  Milliseconds interval{};  // of polling
  bool tree_exists = true;
  Seconds scanning{};  // how long the scan under way has been running: a file system may hang
};

enum class FileRole { imported, opened, written };

// Watches what one app is made of and tells its owner what changed. One per app, owned by supervise;
// everything on the loop, scans in the background (one at a time), so that a hanging file system
// holds nobody up. Destroying it ends it at once.
//
//   Inotify inotify(loop);                                           // one per daemon
//   TreeWatcher watcher(loop, inotify, spec, why, [&](const Change& change) { … });
//   watcher.start([&] { take the first snapshot });  // from here on no change is missed
//   watcher.add_files(files_of_made_event, FileRole::imported);
class TreeWatcher {
 public:
  using OnChange = std::function<void(const Change&)>;

  // Seen and ignored changes are noted in `why`.
  TreeWatcher(uv::Loop& loop, Inotify& inotify, WatchSpec spec, WhyLog& why, OnChange on_change);
  ~TreeWatcher();
  TreeWatcher(const TreeWatcher&) = delete;
  TreeWatcher& operator=(const TreeWatcher&) = delete;

  // Makes the first scan; `on_ready` is called once, when every later change will be noticed.
  void start(std::function<void()> on_ready);

  // Files that the generation uses: imported ones always count, opened ones unless the spec, a
  // built-in rule or `ignore` says no. Opened ones that the app itself has written, at any time, do not,
  // unless `watch` names them. Known ones cost nothing. forget_files() before those of a new generation.
  void add_files(const std::vector<std::string>& files, FileRole role);
  void forget_files();

  void rescan();  // looks at everything again; differences come as changes
  WatchStatus status() const;
  const std::set<std::string>& held_locks() const;  // of version control

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace moult
