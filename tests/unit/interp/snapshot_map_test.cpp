#include "interp/imports/snapshot_map.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

using namespace moult;

namespace {

void put(std::string& out, std::uint64_t value, std::size_t size) {
  out.append(reinterpret_cast<const char*>(&value), size);
}

struct File {
  std::string name;
  std::string content;
};

// The layout of ipc/PROTOCOL.md, written here a second time on purpose.
std::string image(const std::vector<File>& files) {
  std::string names;
  std::string contents;
  for (const File& file : files) names += file.name;
  const std::size_t start = 24 + 64 * files.size();
  std::string out = "MOULTSN1";
  put(out, files.size(), 8);
  put(out, start, 8);
  std::size_t name_at = start;
  for (const File& file : files) {
    put(out, name_at, 8);
    put(out, file.name.size(), 4);
    put(out, 0, 4);
    put(out, start + names.size() + contents.size(), 8);
    put(out, file.content.size(), 8);
    out.append(32, '\0');
    name_at += file.name.size();
    contents += file.content;
  }
  return out + names + contents;
}

Result<SnapshotMap> open(const std::string& bytes) {
  const std::string_view part = bytes;
  auto fd = sealed_memfd("test", {&part, 1});
  REQUIRE(fd);
  return SnapshotMap::open(*fd);
}

}  // namespace

TEST_CASE("files are found by their whole name") {
  const auto map = open(image({{"/app/a.py", "one"}, {"/app/b/__init__.py", ""}, {"/app/b/c.py", "three"}}));
  REQUIRE(map);
  CHECK(map->size() == 3);
  CHECK(map->find("/app/a.py") == "one");
  CHECK(map->find("/app/b/__init__.py") == "");
  CHECK(map->find("/app/b/c.py") == "three");
  for (const char* name : {"", "/app", "/app/a.p", "/app/a.pyc", "/app/b", "/zzz"})
    CHECK_FALSE(map->find(name));
}

TEST_CASE("a folder holds what begins with its name and a slash") {
  const auto map = open(image({{"/app/bee.py", ""}, {"/app/space/deep/x.py", ""}}));
  REQUIRE(map);
  CHECK(map->holds("/app"));
  CHECK(map->holds("/app/space"));
  CHECK(map->holds("/app/space/deep"));
  CHECK_FALSE(map->holds("/app/b"));
  CHECK_FALSE(map->holds("/app/spac"));
  CHECK_FALSE(map->holds("/app/space/deep/x.py"));
}

TEST_CASE("an empty snapshot is a snapshot") {
  const auto map = open(image({}));
  REQUIRE(map);
  CHECK_FALSE(map->find("/a"));
  CHECK_FALSE(map->holds("/"));
}

TEST_CASE("damaged snapshots are refused") {
  const std::string good = image({{"/a", "x"}, {"/b", "y"}});
  CHECK(open(good));
  CHECK_FALSE(open(""));
  CHECK_FALSE(open(good.substr(0, 20)));
  CHECK_FALSE(open("X" + good.substr(1)));
  CHECK_FALSE(open(good.substr(0, good.size() - 1)));
  CHECK_FALSE(open(image({{"/b", "x"}, {"/a", "y"}})));
  std::string many = good;
  const std::uint64_t count = UINT64_MAX;
  std::memcpy(many.data() + 8, &count, 8);
  CHECK_FALSE(open(many));
}

TEST_CASE("the names in a folder are its files and its folders once each") {
  const auto map = open(image({{"/app/a.py", ""},
                               {"/app/b/c.py", ""},
                               {"/app/b/d/e.py", ""},
                               {"/app/b.py", ""},
                               {"/app/b0.py", ""},
                               {"/app/z/y.py", ""},
                               {"/apple.py", ""}}));
  // '.' < '/' < '0': the order of bytes, not of folders.
  REQUIRE_FALSE(map);
  const auto sorted = open(image({{"/app/a.py", ""},
                                  {"/app/b.py", ""},
                                  {"/app/b/c.py", ""},
                                  {"/app/b/d/e.py", ""},
                                  {"/app/b0.py", ""},
                                  {"/app/z/y.py", ""},
                                  {"/apple.py", ""}}));
  REQUIRE(sorted);
  CHECK(sorted->names_in("/app") == std::vector<std::string_view>{"a.py", "b.py", "b/", "b0.py", "z/"});
  CHECK(sorted->names_in("/app/b") == std::vector<std::string_view>{"c.py", "d/"});
  CHECK(sorted->names_in("/nothing").empty());
  CHECK(sorted->hash_of("/app/a.py").size() == 32);
  CHECK(sorted->hash_of("/app").empty());
}
