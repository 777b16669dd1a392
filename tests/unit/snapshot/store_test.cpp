#include "daemon/snapshot/store.h"

#include "daemon/snapshot/memfd.h"
#include "daemon/snapshot/take.h"
#include "temp_tree.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

using namespace moult;

namespace {

struct Kept {
  TempTree temp;
  SnapshotStore store{temp.path("state")};
  SnapshotSpec spec;

  Kept() { spec.tree = temp.folder("app"); }
  SnapshotPtr take(std::string_view content) {
    temp.write("app/app.py", content);
    auto taken = take_snapshot(spec, store);
    REQUIRE(taken);
    return *taken;
  }
  std::string object(std::string_view content) const {
    const std::string hex = hash_of(content).hex();
    return temp.path("state/objects/" + hex.substr(0, 2) + "/" + hex.substr(2));
  }
};

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

template <typename Number>
Number number_at(const std::string& bytes, std::size_t at) {
  Number number;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

}  // namespace

TEST_CASE("a snapshot is loaded again by another store after its files are gone") {
  Kept kept;
  const SnapshotPtr taken = kept.take("version = 1\n");
  kept.temp.remove("app");
  const SnapshotStore again(kept.temp.path("state"));
  const auto loaded = again.load(taken->id);
  REQUIRE(loaded);
  CHECK((*loaded)->id == taken->id);
  CHECK(again.read((*loaded)->files.at(0)) == "version = 1\n");
  CHECK(again.list() == std::vector<std::string>{taken->id});
}

TEST_CASE("equal content is kept once") {
  Kept kept;
  kept.temp.write("app/copy.py", "x = 1\n");
  const SnapshotPtr taken = kept.take("x = 1\n");
  CHECK(taken->files.at(0).hash == taken->files.at(1).hash);
  CHECK(exists(kept.object("x = 1\n")));
}

TEST_CASE("pruning keeps what is asked for and the objects it needs") {
  Kept kept;
  const SnapshotPtr one = kept.take("1");
  const SnapshotPtr two = kept.take("2");
  const SnapshotPtr three = kept.take("3");
  kept.temp.write("state/objects/zz/leftover.new", "half");
  const auto removed = kept.store.prune({three->id, one->id}, 1000);
  REQUIRE(removed);
  CHECK(*removed == std::vector<std::string>{two->id});
  CHECK(kept.store.load(one->id));
  CHECK(kept.store.load(three->id));
  CHECK_FALSE(kept.store.load(two->id));
  CHECK_FALSE(exists(kept.object("2")));
  CHECK_FALSE(exists(kept.temp.path("state/objects/zz")));
}

TEST_CASE("with more bytes than allowed the less important snapshots go, the first never") {
  Kept kept;
  const SnapshotPtr one = kept.take(std::string(100, '1'));
  const SnapshotPtr two = kept.take(std::string(100, '2'));
  const SnapshotPtr three = kept.take(std::string(10, '3'));
  SnapshotStore store(kept.temp.path("state"));
  const auto removed = store.prune({two->id, one->id, three->id}, 150);
  REQUIRE(removed);
  CHECK(*removed == std::vector<std::string>{one->id});
  CHECK(store.prune({two->id, three->id}, 1));
  CHECK(store.load(two->id));
  CHECK_FALSE(store.load(three->id));
}

TEST_CASE("the snapshot of an attempt that is under way is not pruned") {
  Kept kept;
  const SnapshotPtr active = kept.take("1");
  const SnapshotPtr attempt = kept.take("2");
  const auto removed = kept.store.prune({active->id}, 1);
  REQUIRE(removed);
  CHECK(removed->empty());
  CHECK(kept.store.load(attempt->id));
  CHECK(kept.store.read(attempt->files.at(0)) == "2");
  kept.take("1");
  CHECK(kept.store.prune({active->id}, 1) == std::vector<std::string>{attempt->id});
}

TEST_CASE("a damaged object is noticed, removed and written again by the next snapshot") {
  Kept kept;
  const SnapshotPtr taken = kept.take("version = 1\n");
  kept.temp.write(kept.object("version = 1\n").substr(kept.temp.root().size() + 1), "version = 2\n");
  const auto loaded = kept.store.load(taken->id);
  REQUIRE(loaded);
  CHECK_FALSE(make_memfd(**loaded, kept.store));
  CHECK_FALSE(kept.store.load(taken->id));
  kept.take("version = 1\n");
  CHECK(make_memfd(**kept.store.load(taken->id), kept.store));
}

TEST_CASE("all that is damaged of a snapshot can be removed at once") {
  Kept kept;
  kept.temp.write("app/part.py", "part");
  const SnapshotPtr snapshot = kept.take("one");
  kept.temp.write("state/objects/" + kept.object("one").substr(kept.temp.path("state/objects/").size()),
                  "uno");
  kept.temp.write("state/objects/" + kept.object("part").substr(kept.temp.path("state/objects/").size()),
                  "trap");
  kept.store.discard_damaged(*snapshot);
  CHECK_FALSE(exists(kept.object("one")));
  CHECK_FALSE(exists(kept.object("part")));
  CHECK(make_memfd(*kept.take("one"), kept.store));
}

TEST_CASE("an object that a power cut left empty does not pass for a whole one") {
  Kept kept;
  const SnapshotPtr taken = kept.take("version = 1\n");
  REQUIRE(::truncate(kept.object("version = 1\n").c_str(), 0) == 0);
  CHECK_FALSE(kept.store.load(taken->id));
  kept.take("version = 1\n");
  CHECK(kept.store.load(taken->id));
}

TEST_CASE("a list that was cut is refused and pruned") {
  Kept kept;
  const SnapshotPtr taken = kept.take("1");
  const std::string index = kept.temp.path("state/snapshots/" + taken->id);
  REQUIRE(::truncate(index.c_str(), 40) == 0);
  const auto loaded = kept.store.load(taken->id);
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().file == index);
  SnapshotStore again(kept.temp.path("state"));
  CHECK(again.prune({taken->id}, 1000));
  CHECK_FALSE(exists(index));
}

TEST_CASE("an id that is none never becomes a path") {
  Kept kept;
  const auto loaded = kept.store.load("../../etc/passwd");
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().code == ErrorCode::usage);
}

TEST_CASE("kept files are for their owner only") {
  Kept kept;
  kept.take("secret = 1\n");
  struct stat status {};
  REQUIRE(::stat(kept.object("secret = 1\n").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  REQUIRE(::stat(kept.temp.path("state/objects").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
}

TEST_CASE("the memory file has the sources in the format of PROTOCOL.md and cannot be changed") {
  Kept kept;
  kept.temp.write("app/a.py", "");
  kept.temp.write("app/page.html", "<p>");
  kept.spec.data = {kept.temp.path("app/page.html")};
  const SnapshotPtr taken = kept.take("x = 1\n");
  const auto memfd = make_memfd(*taken, kept.store);
  REQUIRE(memfd);
  struct stat status {};
  REQUIRE(::fstat(memfd->get(), &status) == 0);
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  REQUIRE(::pread(memfd->get(), bytes.data(), bytes.size(), 0) == status.st_size);

  CHECK(bytes.substr(0, 8) == "MOULTSN1");
  REQUIRE(number_at<std::uint64_t>(bytes, 8) == 2);
  CHECK(number_at<std::uint64_t>(bytes, 16) == 24 + 2 * 64);
  const std::vector<std::pair<std::string, std::string>> expected{{kept.temp.path("app/a.py"), ""},
                                                                  {kept.temp.path("app/app.py"), "x = 1\n"}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::size_t at = 24 + 64 * i;
    CHECK(bytes.substr(number_at<std::uint64_t>(bytes, at), number_at<std::uint32_t>(bytes, at + 8)) ==
          expected[i].first);
    CHECK(bytes.substr(number_at<std::uint64_t>(bytes, at + 16), number_at<std::uint64_t>(bytes, at + 24)) ==
          expected[i].second);
    const ContentHash hash = hash_of(expected[i].second);
    CHECK(std::equal(hash.bytes.begin(), hash.bytes.end(),
                     reinterpret_cast<const std::uint8_t*>(&bytes[at + 32])));
  }
  CHECK(::write(memfd->get(), "x", 1) < 0);
  CHECK(::ftruncate(memfd->get(), 0) < 0);
}
