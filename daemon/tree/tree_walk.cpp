#include "daemon/tree/tree_walk.h"

#include "daemon/tree/tree_rules.h"

#include <dirent.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace moult {

namespace {

// Deeper than any package and well below the stack's end.
constexpr std::size_t kDeepest = 200;

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

bool belongs_to_environment(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kNames{"bin",   "include", "lib",
                                                          "lib64", "share",   "conda-meta"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

bool TreeWalk::read_entries(const std::string& path, std::vector<Entry>& entries, int& error) {
  const std::unique_ptr<DIR, CloseFolder> folder(::opendir(path.c_str()));
  if (!folder) {
    error = errno;
    return false;
  }
  errno = 0;
  while (const dirent* found = ::readdir(folder.get())) {
    const std::string_view name = found->d_name;
    if (name == "." || name == "..") continue;
    Type type = Type::unknown;
    switch (found->d_type) {
      case DT_REG: type = Type::file; break;
      case DT_DIR: type = Type::folder; break;
      case DT_LNK: type = Type::link; break;
      case DT_UNKNOWN: break;
      default: type = Type::other;
    }
    entries.push_back({std::string(name), type});
  }
  error = errno;
  return true;
}

void TreeWalk::walk(const std::string& root) {
  above_.clear();
  ended_ = false;
  folder(root);
}

void TreeWalk::folder(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return;
  const FolderId id{status.st_dev, status.st_ino};
  if (std::find(above_.begin(), above_.end(), id) != above_.end()) {
    visitor_.left_out(path, "is a loop");
    return;
  }
  if (above_.size() >= kDeepest) {
    visitor_.left_out(path, "lies too deep");
    return;
  }
  const bool environment = is_virtual_environment(path);
  if (environment && !above_.empty()) return;
  if (!visitor_.enter(path, stamp_of(status))) return;
  std::vector<Entry> entries;
  int error = 0;
  if (!read_entries(path, entries, error)) {
    visitor_.left_out(path, std::string("cannot be read: ") + std::strerror(error));
    return;
  }
  above_.push_back(id);
  for (const Entry& entry : entries) {
    if (ended_) break;
    if (environment && belongs_to_environment(entry.name)) continue;
    visit(path, entry);
  }
  above_.pop_back();
}

void TreeWalk::visit(const std::string& parent, const Entry& entry) {
  ++entries_;
  if (!visitor_.goes_on()) {
    ended_ = true;
    return;
  }
  if (entry.type == Type::other) return;
  if (entry.type == Type::folder) {
    if (!is_left_out_folder(entry.name)) folder(join_path(parent, entry.name));
    return;
  }
  const bool wanted = visitor_.wants(parent, entry.name);
  if (entry.type == Type::file && !wanted) return;
  const std::string path = join_path(parent, entry.name);
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return;  // gone since
  const bool is_link = S_ISLNK(status.st_mode);
  if (is_link && ::stat(path.c_str(), &status) != 0) return;  // leads nowhere
  if (S_ISDIR(status.st_mode)) {
    if (is_left_out_folder(entry.name)) return;
    if (is_link) visitor_.folder_link(path);
    folder(path);
  } else if (S_ISREG(status.st_mode) && wanted) {
    visitor_.file(path, stamp_of(status), is_link);
  }
}

}  // namespace moult
