#include "daemon/snapshot/compare.h"

#include "daemon/tree/tree_rules.h"

#include <map>

namespace moult {

namespace {

std::string shown_path(const SnapshotFile& file, const Snapshot& snapshot) {
  if (!is_within(file.path, snapshot.root) || file.path.size() <= snapshot.root.size()) return file.path;
  const std::size_t start = file.path.find_first_not_of('/', snapshot.root.size());
  return start == std::string::npos ? file.path : file.path.substr(start);
}

// What a snapshot looked for and did not find is not there.
const SnapshotFile* if_there(const SnapshotFile* file) {
  return file == nullptr || file->hash.is_nothing() ? nullptr : file;
}

}  // namespace

std::vector<FileChange> changes_between(const Snapshot& old, const Snapshot& fresh) {
  std::map<std::string, FileChange> files;
  for (const SnapshotFile& file : old.files) files[shown_path(file, old)].before = &file;
  for (const SnapshotFile& file : fresh.files) files[shown_path(file, fresh)].after = &file;
  std::vector<FileChange> changes;
  for (auto& [path, change] : files) {
    if (change.after == nullptr && is_extra(*change.before, old)) continue;
    if (change.before == nullptr && is_extra(*change.after, fresh) && !is_newer(*change.after, old)) continue;
    if (change.before != nullptr && change.after != nullptr && change.before->hash == change.after->hash)
      continue;
    changes.push_back({path, if_there(change.before), if_there(change.after)});
  }
  return changes;
}

}  // namespace moult
