#include "daemon/snapshot/compare.h"

#include "daemon/snapshot/tree_rules.h"

#include <map>

namespace moult {

namespace {

std::string shown_path(const SnapshotFile& file, const Snapshot& snapshot) {
  if (!is_within(file.path, snapshot.root) || file.path.size() <= snapshot.root.size()) return file.path;
  const std::size_t start = file.path.find_first_not_of('/', snapshot.root.size());
  return start == std::string::npos ? file.path : file.path.substr(start);
}

bool is_data(const SnapshotFile* file) { return file != nullptr && file->kind == SnapshotKind::data; }

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
    const bool one_sided = change.before == nullptr || change.after == nullptr;
    if (one_sided && (is_data(change.before) || is_data(change.after))) continue;
    if (!one_sided && change.before->hash == change.after->hash) continue;
    changes.push_back({path, if_there(change.before), if_there(change.after)});
  }
  return changes;
}

}  // namespace moult
