#pragma once

#include "daemon/tree/file_stamp.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// What a walk through a tree found, told as it goes. Implemented by the snapshot and by the watcher.
class TreeVisitor {
 public:
  virtual ~TreeVisitor() = default;
  // Before a folder is read (so a watch added here misses nothing); false leaves it out.
  virtual bool enter(const std::string& folder, const FileStamp& stamp) = 0;
  // Whether to look at something that is no folder, by its name alone.
  virtual bool wants(const std::string& folder, std::string_view name) = 0;
  // A regular file, or a symlink to one.
  virtual void file(const std::string& path, const FileStamp& stamp, bool is_link) = 0;
  // A symlink to a folder, before it is entered.
  virtual void folder_link(const std::string& path) { static_cast<void>(path); }
  // A folder that was not read: a loop, a missing permission, …
  virtual void left_out(const std::string& folder, const std::string& why) = 0;
  // Asked after each entry; false ends the walk.
  virtual bool goes_on() { return true; }
};

// One pass through the folders below a root. Symlinks to folders are followed (Python does so too),
// loops are not; VCS folders, __pycache__, node_modules and virtual environments are left out without
// a word. The root may itself be a virtual environment: then its own folders are left out. Blocks;
// one per walk, on a background thread.
class TreeWalk {
 public:
  explicit TreeWalk(TreeVisitor& visitor) : visitor_(visitor) {}
  void walk(const std::string& root);
  std::size_t entries() const { return entries_; }

 private:
  enum class Type { file, folder, link, unknown, other };
  struct Entry {
    std::string name;
    Type type;
  };
  struct FolderId {
    std::uint64_t device;
    std::uint64_t inode;
    bool operator==(const FolderId&) const = default;
  };
  void folder(const std::string& path);
  void visit(const std::string& folder, const Entry& entry);
  static bool read_entries(const std::string& path, std::vector<Entry>& entries, int& error);

  TreeVisitor& visitor_;
  std::vector<FolderId> above_;  // the folders that we are in, to notice loops
  std::size_t entries_ = 0;
  bool ended_ = false;
};

}  // namespace moult
