#pragma once

#include <sys/stat.h>
#include <cstdint>
#include <string>

namespace moult {

// What stat(2) says about a file, as far as it changes when the file does. Any difference, also a
// time that goes back, is a reason to look at the content (reload-problems.md, row 5). A value.
struct FileStamp {
  std::uint64_t size = 0;
  std::int64_t modified = 0;  // mtime in ns since the epoch
  std::int64_t changed = 0;   // ctime in ns: cannot be set from outside
  std::uint64_t inode = 0;
  std::uint64_t device = 0;

  bool operator==(const FileStamp&) const = default;
  bool exists() const { return inode != 0; }
};

FileStamp stamp_of(const struct stat& status);
// The stamp of what `path` leads to; FileStamp{} when there is nothing. Blocks.
FileStamp stamp_of(const std::string& path);

}  // namespace moult
