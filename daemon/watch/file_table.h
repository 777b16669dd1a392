#pragma once

#include "daemon/tree/file_stamp.h"
#include "daemon/watch/change.h"
#include "ipc/base/content_hash.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// One file (or packages folder) as a scan saw it. `hash` is only there while the stamp alone cannot
// be trusted: polled, and changed within the last two seconds before the scan.
struct TableEntry {
  std::string path;
  ChangeKind kind = ChangeKind::source;
  FileStamp stamp;
  ContentHash hash;
};

// Everything that counts for one app, sorted by path. Made by a scan in the background, then constant
// and shared by the loop and the next scan.
using FileTable = std::vector<TableEntry>;
using FileTablePtr = std::shared_ptr<const FileTable>;

void sort_table(FileTable& table);  // and removes doubles: the first one stays
const TableEntry* find_entry(const FileTable& table, std::string_view path);

struct TableChange {
  std::string path;
  ChangeKind kind;
  FileStamp stamp;  // of now
};

// What differs, by path: added, removed, another stamp, or the same stamp with another hash.
std::vector<TableChange> compare_tables(const FileTable& before, const FileTable& after);

}  // namespace moult
