#pragma once

#include "daemon/config/config.h"
#include "daemon/hosts/host.h"
#include "daemon/moult/app_record.h"
#include "daemon/snapshot/take.h"
#include "daemon/watch/tree_watcher.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace moult {

// What the app's config means for the parts that make a generation of it. Pure, but for the daemon's
// environment, which is passed in.

using Environment = std::map<std::string, std::string>;
Environment daemon_environment();  // without what belongs to the daemon's own start

// The environment that the app sees: the daemon's, then what its `env_file` holds, then its `env`.
Environment environment_of(const AppConfig& app, const Environment& daemon, const Environment& file = {});

// The folders of installed packages whose .pth files the app's interpreter will read.
std::vector<std::string> site_folders(const AppConfig& app, const PythonInfo& python,
                                      const Environment& environment);
// All folders of installed packages that it will have on its path: those, and `path` entries.
std::vector<std::string> package_folders(const AppConfig& app, const std::vector<std::string>& sites);

// The absolute path of the entry file; of an entry that looks like a module, that of the file which it
// names if there is one.
std::string entry_file_of(const AppConfig& app);

SnapshotSpec snapshot_spec(const AppConfig& app, const std::vector<std::string>& editable, Reach reach);
// "x.py", "_fast.so", "x.pyc": what an import reads.
bool is_code_file(const std::string& path);
// What a generation has used of the disk beside the sources below `roots`, which are in each snapshot: code
// from elsewhere, and data that the app has not written itself (of which `watch` may name some).
void add_code_used(const std::set<std::string>& files, const std::vector<std::string>& roots,
                   SnapshotSpec& spec);
void add_data_used(const std::set<std::string>& files, const std::set<std::string>& written,
                   SnapshotSpec& spec);
WatchSpec watch_spec(const AppConfig& app, const std::vector<std::string>& packages,
                     const std::vector<std::string>& editable, Reach reach);
HostKey host_key(const AppConfig& app, const PythonInfo& python, InterpreterMode mode,
                 const AppRecord& record, const Environment& environment);
// Folders of an app's configuration with symlinks followed, as the snapshot's paths are: so a
// release keeps its own when the symlink is switched.
struct ResolvedPlace {
  std::vector<std::string> path;
  std::string cwd;  // "": the tree
};
ResolvedPlace place_of(const AppConfig& app);  // as configured
void resolve(ResolvedPlace& place);            // blocks; what is not there stays as it is

MakeCommand make_command(const AppConfig& app, const Snapshot& snapshot, const ResolvedPlace& place,
                         const AppRecord& record, const Environment& environment);

}  // namespace moult
