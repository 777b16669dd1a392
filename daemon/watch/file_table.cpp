#include "daemon/watch/file_table.h"

#include <algorithm>

namespace moult {

void sort_table(FileTable& table) {
  std::stable_sort(table.begin(), table.end(),
                   [](const TableEntry& a, const TableEntry& b) { return a.path < b.path; });
  table.erase(std::unique(table.begin(), table.end(),
                          [](const TableEntry& a, const TableEntry& b) { return a.path == b.path; }),
              table.end());
}

const TableEntry* find_entry(const FileTable& table, std::string_view path) {
  const auto found =
      std::lower_bound(table.begin(), table.end(), path,
                       [](const TableEntry& entry, std::string_view p) { return entry.path < p; });
  return found != table.end() && found->path == path ? &*found : nullptr;
}

std::vector<TableChange> compare_tables(const FileTable& before, const FileTable& after) {
  std::vector<TableChange> changes;
  auto old = before.begin();
  auto fresh = after.begin();
  while (old != before.end() || fresh != after.end()) {
    if (fresh == after.end() || (old != before.end() && old->path < fresh->path)) {
      if (old->stamp.exists()) changes.push_back({old->path, old->kind, {}});
      ++old;
    } else if (old == before.end() || fresh->path < old->path) {
      if (fresh->stamp.exists()) changes.push_back({fresh->path, fresh->kind, fresh->stamp});
      ++fresh;
    } else {
      const bool both_hashed = !old->hash.is_nothing() && !fresh->hash.is_nothing();
      if (old->stamp != fresh->stamp || (both_hashed && old->hash != fresh->hash)) {
        changes.push_back({fresh->path, fresh->kind, fresh->stamp});
      }
      ++old;
      ++fresh;
    }
  }
  return changes;
}

}  // namespace moult
