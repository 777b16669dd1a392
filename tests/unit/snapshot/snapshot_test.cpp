#include "daemon/snapshot/snapshot.h"

#include "daemon/snapshot/index.h"

#include <doctest/doctest.h>

using namespace moult;

namespace {

SnapshotFile file(std::string path, std::string_view content, SnapshotKind kind = SnapshotKind::source) {
  return {std::move(path), kind, content.size(), 5, hash_of(content)};
}

SnapshotPtr snapshot(std::vector<SnapshotFile> files) {
  Snapshot made;
  made.root = "/srv/app";
  made.roots = {"/srv/app"};
  made.taken = WallTime(std::chrono::seconds(1000));
  made.files = std::move(files);
  return finish_snapshot(std::move(made));
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a difference lists what was changed, added and removed") {
  const auto old =
      snapshot({file("/srv/app/a.py", "1"), file("/srv/app/b.py", "1"), file("/srv/app/c.py", "1")});
  const auto fresh =
      snapshot({file("/srv/app/d.py", "1"), file("/srv/app/b.py", "2"), file("/srv/app/c.py", "1")});
  const SnapshotDiff difference = diff(*old, *fresh);
  CHECK(difference.changed == Names{"/srv/app/b.py"});
  CHECK(difference.added == Names{"/srv/app/d.py"});
  CHECK(difference.removed == Names{"/srv/app/a.py"});
  CHECK(summary(difference, *fresh) == "b.py and 2 more");
  CHECK_FALSE(differs(diff(*old, *old)));
  CHECK(summary(diff(*old, *old), *old) == "nothing changed");
}

TEST_CASE("a data file that only the fresh snapshot looked at counts when it is newer than the old one") {
  const auto old = snapshot({});
  SnapshotFile before = file("/srv/app/t.html", "x", SnapshotKind::data);
  before.changed = 999'000'000'000;
  CHECK_FALSE(differs(diff(*old, *snapshot({before}))));
  SnapshotFile after = before;
  after.changed = 1001'000'000'000;
  CHECK(diff(*old, *snapshot({after})).changed == Names{"/srv/app/t.html"});
}

TEST_CASE("so does a source from outside the tree, and its going away counts when it is looked for") {
  SnapshotFile common = file("/srv/common/x.py", "1");
  common.changed = 999'000'000'000;
  CHECK_FALSE(differs(diff(*snapshot({}), *snapshot({common}))));  // in use meanwhile, and as it was
  CHECK_FALSE(differs(diff(*snapshot({common}), *snapshot({}))));  // in use no more
  common.changed = 1001'000'000'000;
  CHECK(diff(*snapshot({}), *snapshot({common})).changed == Names{"/srv/common/x.py"});
  CHECK(diff(*snapshot({common}), *snapshot({file("/srv/common/x.py", "2")})).changed ==
        Names{"/srv/common/x.py"});
  const auto gone = snapshot({SnapshotFile{"/srv/common/x.py", SnapshotKind::data, 0, 0, {}}});
  CHECK(diff(*snapshot({common}), *gone).removed == Names{"/srv/common/x.py"});
}

TEST_CASE("a data file that only the old snapshot looked at does not count") {
  CHECK_FALSE(differs(diff(*snapshot({file("/x", "1", SnapshotKind::data)}), *snapshot({}))));
}

TEST_CASE("a data file that went or came back is a difference") {
  const auto there = snapshot({file("/x", "1", SnapshotKind::data)});
  const auto gone = snapshot({SnapshotFile{"/x", SnapshotKind::data, 0, 0, {}}});
  CHECK(diff(*there, *gone).removed == Names{"/x"});
  CHECK(diff(*gone, *there).added == Names{"/x"});
}

TEST_CASE("another release folder is a difference although the content is the same") {
  Snapshot moved;
  moved.root = "/srv/other";
  const auto other = finish_snapshot(moved);
  CHECK(diff(*snapshot({}), *other).root_moved);
  CHECK(snapshot({})->id != other->id);
}

TEST_CASE("the id does not depend on the order of files nor on data") {
  const SnapshotFile a = file("/srv/app/a.py", "1");
  const SnapshotFile b = file("/srv/app/b.py", "2");
  CHECK(snapshot({a, b})->id == snapshot({b, a})->id);
  CHECK(snapshot({a, b, file("/srv/app/c.html", "", SnapshotKind::data)})->id == snapshot({a, b})->id);
  // Moving a byte from one name to the other must not give the same id.
  CHECK(snapshot({file("/srv/app/a", "1")})->id != snapshot({file("/srv/app/", "1")})->id);
}

TEST_CASE("a list is read back as it was written") {
  Snapshot made;
  made.root = "/srv/a b";
  made.roots = {"/srv/a b", "/srv/lib\n"};
  made.taken = WallTime(std::chrono::microseconds(1'763'692'169'123'456));
  made.commit = std::string(40, 'c');
  made.notes = {"folder x: left out"};
  made.files = {file("/srv/a b/\n\\n.py", "1"), SnapshotFile{"/srv/d", SnapshotKind::data, 0, 0, {}}};
  const auto original = finish_snapshot(made);
  const auto read = decode_index(encode_index(*original));
  REQUIRE(read);
  CHECK((*read)->id == original->id);
  CHECK((*read)->root == original->root);
  CHECK((*read)->roots == original->roots);
  CHECK((*read)->taken == original->taken);
  CHECK((*read)->commit == original->commit);
  CHECK((*read)->notes == original->notes);
  REQUIRE((*read)->files.size() == 2);
  CHECK((*read)->files[0].path == original->files[0].path);
  CHECK((*read)->files[1].kind == SnapshotKind::data);
  CHECK((*read)->files[1].hash.is_nothing());
}

TEST_CASE("a list that was cut or altered anywhere is refused") {
  const std::string whole = encode_index(*snapshot({file("/srv/app/a.py", "1"), file("/srv/app/b.py", "2")}));
  REQUIRE(decode_index(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(decode_index(whole.substr(0, size)));
    std::string altered = whole;
    altered[size] = static_cast<char>(altered[size] ^ 1);
    CHECK_FALSE(decode_index(altered));
  }
  CHECK_FALSE(decode_index("moult-snapshot 2\nend 0\n"));
}

TEST_CASE("hashes are SHA-256 and their hex form is read back") {
  CHECK(hash_of("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(parse_hash(hash_of("abc").hex()) == hash_of("abc"));
  CHECK_FALSE(parse_hash("abc"));
  CHECK_FALSE(parse_hash(std::string(64, 'g')));
  Hasher hasher;
  hasher.add("a");
  hasher.add("bc");
  CHECK(hasher.finish() == hash_of("abc"));
  hasher.add("abc");
  CHECK(hasher.finish() == hash_of("abc"));
}
