#pragma once

#include "ipc/base/clock.h"

#include <string>
#include <string_view>

namespace moult {

enum class ChangeKind {
  source,             // an importable file or a folder with such, anywhere that counts
  watched_data,       // a file named in `watch` or opened by the generation
  restart_file,       // tmp/restart.txt was touched: forced
  entry_touch,        // the entry file's time changed: forced, whatever its content
  packages,           // something was installed, upgraded or removed
  vcs_lock_taken,     // .git/index.lock appeared: `path` is the lock
  vcs_lock_released,  // and went
};
std::string_view to_string(ChangeKind kind);

// Whether somebody has the file open for writing, so that more is likely to come. A scan cannot tell.
enum class Writing { unknown, no, yes };

// One thing that a watcher noticed and that may mean new code. A value.
struct Change {
  std::string path;  // absolute
  ChangeKind kind = ChangeKind::source;
  SteadyTime when{};
  Writing writing = Writing::unknown;
};

// Makes a new generation even when all hashes are the same.
inline bool is_forced(ChangeKind kind) {
  return kind == ChangeKind::restart_file || kind == ChangeKind::entry_touch;
}

}  // namespace moult
