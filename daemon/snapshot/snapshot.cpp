#include "daemon/snapshot/snapshot.h"

#include "daemon/tree/tree_rules.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

namespace {

bool by_path(const SnapshotFile& a, const SnapshotFile& b) { return a.path < b.path; }

std::int64_t nanoseconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

// The kernel's file times lag behind the clock by up to a tick (4 to 10 ms).
constexpr std::int64_t kClockLag = 20'000'000;

void compare_file(const SnapshotFile& before, const SnapshotFile& after, SnapshotDiff& difference) {
  if (before.hash == after.hash) return;
  if (before.hash.is_nothing()) {
    difference.added.push_back(after.path);
  } else if (after.hash.is_nothing()) {
    difference.removed.push_back(after.path);
  } else {
    difference.changed.push_back(after.path);
  }
}

}  // namespace

const SnapshotFile* Snapshot::find(std::string_view path) const {
  const auto found =
      std::lower_bound(files.begin(), files.end(), path,
                       [](const SnapshotFile& file, std::string_view p) { return file.path < p; });
  return found != files.end() && found->path == path ? &*found : nullptr;
}

SnapshotPtr finish_snapshot(Snapshot snapshot) {
  std::sort(snapshot.files.begin(), snapshot.files.end(), by_path);
  snapshot.source_bytes = 0;
  snapshot.source_count = 0;
  Hasher hasher;
  hasher.add_text(snapshot.root);
  for (const SnapshotFile& file : snapshot.files) {
    if (file.kind != SnapshotKind::source) continue;
    hasher.add_text(file.path);
    hasher.add_text(file.hash.hex());
    snapshot.source_bytes += file.size;
    ++snapshot.source_count;
  }
  snapshot.id = hasher.finish().hex();
  return std::make_shared<const Snapshot>(std::move(snapshot));
}

bool is_extra(const SnapshotFile& file, const Snapshot& snapshot) {
  if (file.kind == SnapshotKind::data) return true;
  const auto holds = [&file](const std::string& root) { return is_within(file.path, root); };
  return !holds(snapshot.root) && std::none_of(snapshot.roots.begin(), snapshot.roots.end(), holds);
}

bool is_newer(const SnapshotFile& file, const Snapshot& old) {
  return !file.hash.is_nothing() && file.changed >= nanoseconds(old.taken) - kClockLag;
}

SnapshotDiff diff(const Snapshot& old, const Snapshot& fresh) {
  SnapshotDiff difference;
  difference.root_moved = old.root != fresh.root;
  auto before = old.files.begin();
  auto after = fresh.files.begin();
  while (before != old.files.end() || after != fresh.files.end()) {
    if (after == fresh.files.end() || (before != old.files.end() && before->path < after->path)) {
      if (!is_extra(*before, old)) difference.removed.push_back(before->path);
      ++before;
    } else if (before == old.files.end() || after->path < before->path) {
      if (!is_extra(*after, fresh)) {
        difference.added.push_back(after->path);
      } else if (is_newer(*after, old)) {
        difference.changed.push_back(after->path);
      }
      ++after;
    } else {
      compare_file(*before, *after, difference);
      ++before;
      ++after;
    }
  }
  return difference;
}

bool differs(const SnapshotDiff& difference) {
  return difference.root_moved || !difference.changed.empty() || !difference.added.empty() ||
         !difference.removed.empty();
}

std::string summary(const SnapshotDiff& difference, const Snapshot& fresh) {
  if (difference.root_moved) return fmt::format("the tree, which is {} now", fresh.root);
  const auto* first = &difference.changed;
  const char* suffix = "";
  if (first->empty()) {
    first = &difference.added;
    suffix = " (new)";
  }
  if (first->empty()) {
    first = &difference.removed;
    suffix = " (removed)";
  }
  if (first->empty()) return "nothing changed";
  std::string_view path = first->front();
  if (is_within(path, fresh.root) && path.size() > fresh.root.size()) {
    path.remove_prefix(fresh.root.size());
    while (path.starts_with('/')) path.remove_prefix(1);
  }
  const std::size_t more =
      difference.changed.size() + difference.added.size() + difference.removed.size() - 1;
  return more == 0 ? fmt::format("{}{}", path, suffix) : fmt::format("{}{} and {} more", path, suffix, more);
}

}  // namespace moult
