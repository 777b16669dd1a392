#include "daemon/snapshot/compare.h"

#include "daemon/snapshot/take.h"
#include "temp_tree.h"

#include <doctest/doctest.h>

using namespace moult;

namespace {

Snapshot snapshot_of(const std::string& root, std::vector<SnapshotFile> files) {
  Snapshot snapshot;
  snapshot.root = root;
  snapshot.files = std::move(files);
  return *finish_snapshot(std::move(snapshot));
}

SnapshotFile source(const std::string& path, const std::string& content) {
  return {path, SnapshotKind::source, content.size(), 0, hash_of(content)};
}

SnapshotFile data(const std::string& path, const std::string& content) {
  return {path, SnapshotKind::data, content.size(), 0, content.empty() ? ContentHash{} : hash_of(content)};
}

std::string told(const Snapshot& old, const Snapshot& fresh) {
  std::string text;
  for (const FileChange& change : changes_between(old, fresh)) {
    text += change.before == nullptr ? "+" : change.after == nullptr ? "-" : "~";
    text += change.path + " ";
  }
  return text;
}

}  // namespace

TEST_CASE("files are told apart by content, below the root by what follows it") {
  const Snapshot old = snapshot_of(
      "/srv/7", {source("/srv/7/a.py", "1"), source("/srv/7/gone.py", "1"), source("/srv/7/same.py", "1"),
                 source("/lib/x.py", "1"), source("/lib/same.py", "1")});
  const Snapshot fresh = snapshot_of(
      "/srv/8", {source("/srv/8/a.py", "2"), source("/srv/8/new.py", "1"), source("/srv/8/same.py", "1"),
                 source("/lib/x.py", "2"), source("/lib/same.py", "1")});
  CHECK(told(old, fresh) == "~/lib/x.py ~a.py -gone.py +new.py ");
  CHECK(told(fresh, fresh).empty());
}

TEST_CASE("a file that a generation uses counts where both have looked at it, or when it is newer") {
  Snapshot old = snapshot_of(
      "/srv", {data("/srv/a.html", "1"), data("/srv/b.html", "1"), data("/srv/c.html", ""),
               data("/srv/d.html", "1"), source("/common/gone.py", "1"), source("/common/x.py", "1")});
  old.taken = WallTime(std::chrono::seconds(10));
  const auto at = [](SnapshotFile file, std::int64_t seconds) {
    file.changed = seconds * 1'000'000'000;
    return file;
  };
  const Snapshot fresh =
      snapshot_of("/srv", {data("/srv/a.html", "2"), data("/srv/c.html", "1"), data("/srv/d.html", ""),
                           at(data("/srv/e.html", "1"), 9), source("/common/x.py", "2"),
                           at(source("/common/y.py", "1"), 9), at(source("/common/z.py", "1"), 11)});
  CHECK(told(old, fresh) == "~/common/x.py +/common/z.py ~a.html +c.html -d.html ");
}

TEST_CASE("a look at the tree finds what a snapshot would, and puts nothing anywhere") {
  const TempTree temp;
  SnapshotStore store(temp.path("state"));
  SnapshotSpec spec;
  spec.tree = temp.folder("app");
  temp.write("app/app.py", "VERSION = 1\n");
  const auto taken = take_snapshot(spec, store);
  REQUIRE(taken);
  temp.write("app/app.py", "VERSION = 2\n");
  temp.write("app/new.py", "");
  const auto seen = look_at_tree(spec);
  REQUIRE(seen);
  CHECK(told(**taken, **seen) == "~app.py +new.py ");
  CHECK(store.list() == std::vector{(*taken)->id});
  CHECK_FALSE(std::filesystem::exists(store.object_path((*seen)->find(spec.tree + "/app.py")->hash)));
}
