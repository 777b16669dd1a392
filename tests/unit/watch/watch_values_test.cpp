#include "daemon/tree/file_system.h"
#include "daemon/watch/file_table.h"
#include "daemon/watch/polling.h"
#include "daemon/watch/why_log.h"

#include <doctest/doctest.h>

using namespace moult;

namespace {

WallTime at(int seconds) { return WallTime(std::chrono::seconds(1'000'000 + seconds)); }

TableEntry entry(std::string path, std::int64_t modified, std::string_view content = {}) {
  TableEntry made{std::move(path), ChangeKind::source, {}, {}};
  made.stamp.inode = 1;
  made.stamp.modified = modified;
  if (!content.empty()) made.hash = hash_of(content);
  return made;
}

std::vector<std::string> changed(const FileTable& before, const FileTable& after) {
  std::vector<std::string> paths;
  for (const TableChange& change : compare_tables(before, after)) paths.push_back(change.path);
  return paths;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("tables differ where files came, went or have another stamp, also an older one") {
  CHECK(changed({entry("a", 5), entry("b", 5), entry("c", 5)},
                {entry("b", 4), entry("c", 5), entry("d", 1)}) == Names{"a", "b", "d"});
  CHECK(changed({entry("a", 5)}, {entry("a", 5)}).empty());
}

TEST_CASE("with equal stamps the hashes decide, where both were taken") {
  CHECK(changed({entry("a", 5, "old")}, {entry("a", 5, "new")}) == Names{"a"});
  CHECK(changed({entry("a", 5, "old")}, {entry("a", 5, "old")}).empty());
  CHECK(changed({entry("a", 5, "old")}, {entry("a", 5)}).empty());
}

TEST_CASE("a file that is looked for and is not there is no news until it comes") {
  TableEntry missing = entry("a", 0);
  missing.stamp = FileStamp{};
  CHECK(changed({missing}, {missing}).empty());
  CHECK(changed({}, {missing}).empty());
  CHECK(changed({missing}, {entry("a", 5)}) == Names{"a"});
}

TEST_CASE("polling costs at most one part in a hundred at rest and one in ten while things change") {
  CHECK(polling_interval(Seconds(0.06), Seconds(3600)) == Milliseconds(7200));
  CHECK(polling_interval(Seconds(0.06), Seconds(1)) == Milliseconds(600));
  CHECK(polling_interval(Seconds(0.0001), Seconds(3600)) == Milliseconds(1000));
  CHECK(polling_interval(Seconds(0.0001), Seconds(1)) == Milliseconds(500));
  CHECK(polling_interval(Seconds(30), Seconds(1)) == Milliseconds(60'000));
}

TEST_CASE("files are racy for two seconds and when they come from the future") {
  constexpr long long kSecond = 1'000'000'000;
  CHECK(is_racy(99 * kSecond, 100 * kSecond));
  CHECK_FALSE(is_racy(98 * kSecond, 100 * kSecond));
  CHECK(is_racy(500 * kSecond, 100 * kSecond));
}

TEST_CASE("file systems of other machines and of user programs are known by their numbers") {
  CHECK(remote_file_system(0x6969UL) == "nfs");
  CHECK(remote_file_system(0xffffffffff534d42UL) == "cifs");
  CHECK(remote_file_system(0x65735546UL) == "fuse");
  CHECK(remote_file_system(0xef53UL).empty());
  CHECK(remote_file_system(std::string("/proc")).empty());
}

TEST_CASE("the log keeps the last decisions, and noise cannot push them out") {
  WhyLog log;
  log.add(at(0), "/app/a.py", "seen", "source");
  for (int i = 0; i < 1000; ++i) log.add_ignored(at(i), "/app/" + std::to_string(i), "no source");
  CHECK(log.ignored_count() == 1000);
  REQUIRE(log.entries().size() == 1 + WhyLog::kKeptIgnored);
  CHECK(log.entries().front().path == "/app/a.py");
  for (int i = 0; i < 60; ++i) log.add(at(2000 + i), {}, "rejected", std::to_string(i));
  CHECK(log.entries().size() == WhyLog::kKept + WhyLog::kKeptIgnored);
  CHECK(log.entries().back().rule == "59");
}

TEST_CASE("what comes again within seconds is counted, later it is a new entry") {
  WhyLog log;
  log.add(at(0), "/app/a.py", "seen");
  log.add(at(3), "/app/a.py", "seen");
  REQUIRE(log.entries().size() == 1);
  CHECK(log.entries()[0].count == 2);
  CHECK(log.entries()[0].time == at(3));
  log.add(at(60), "/app/a.py", "seen");
  CHECK(log.entries().size() == 2);
}
