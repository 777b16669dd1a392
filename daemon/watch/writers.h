#pragma once

#include <string>
#include <vector>

namespace moult {

// Of these files those that surely nobody has open for writing. inotify tells of a write, and of its
// end when the file is closed; but truncate(2) and a change of the modification time alone look like
// a write that never ends. The kernel knows better. Blocks as a path look-up does: background
// thread.
std::vector<std::string> files_without_writer(const std::vector<std::string>& paths);

}  // namespace moult
