#pragma once

#include "daemon/snapshot/take.h"
#include "daemon/tree/tree_walk.h"

#include <set>
#include <string>
#include <vector>

namespace moult {

struct ListedFile {
  std::string path;
  FileStamp stamp;
};

// What a snapshot will consist of, by name: the first half of taking one.
struct SourceList {
  std::string root;                 // the tree's real path
  std::vector<std::string> roots;   // all, resolved, `root` first; none lies inside another
  std::vector<ListedFile> sources;  // distinct paths
  std::vector<ListedFile> data;     // a stamp that does not exist: the file is not there
  std::vector<ListedFile> folders;  // that were walked
  std::vector<std::string> notes;
};

// Lists the files of `spec`. Errors: no such tree or entry file, more files, bytes or entries than
// the limits allow (the largest offenders are named). Blocks.
Result<SourceList> list_sources(const SnapshotSpec& spec);

// The entry file and, for as long as there are new ones, the modules and packages beside it that
// their sources import (Reach::files). `listed` gets what is found; returns all names that are imported,
// also those that nothing beside the file has.
std::set<std::string> follow_imports(const std::string& folder, const std::string& entry_file,
                                     SourceList& listed, const SnapshotLimits& limits);

// Adds the sources below `root` to `listed`. An error when there are more entries than allowed.
Result<> list_folder(const std::string& root, SourceList& listed, const SnapshotLimits& limits);

}  // namespace moult
