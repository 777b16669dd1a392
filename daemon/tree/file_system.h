#pragma once

#include <string>
#include <string_view>

namespace moult {

// The name of a file system that does not tell inotify what others change ("nfs", "cifs", "fuse", …),
// by its number in statfs(2); "" for all others.
std::string_view remote_file_system(unsigned long type);

// The same for what `path` is on; "" also when that cannot be asked. Blocks, on a dead server for long.
std::string_view remote_file_system(const std::string& path);

}  // namespace moult
