#pragma once

#include "daemon/snapshot/take.h"

#include "temp_tree.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace moult {

using Names = std::vector<std::string>;

// A small app whose snapshots a case takes, with a store of its own.
struct TakenApp {
  TempTree temp;
  SnapshotStore store{temp.path("state")};
  SnapshotSpec spec;

  TakenApp() {
    spec.tree = temp.folder("app");
    temp.write("app/app.py", "import blog\n");
    temp.write("app/blog/__init__.py", "");
    temp.write("app/blog/views.py", "x = 1\n");
  }
  SnapshotPtr take() {
    auto taken = take_snapshot(spec, store);
    REQUIRE_MESSAGE(taken, (taken ? "" : describe(taken.error())));
    return *taken;
  }
  std::vector<std::string> names(const SnapshotPtr& snapshot) const {
    std::vector<std::string> names;
    for (const SnapshotFile& file : snapshot->files)
      names.push_back(file.path.substr(temp.root().size() + 1));
    return names;
  }
};

}  // namespace moult
