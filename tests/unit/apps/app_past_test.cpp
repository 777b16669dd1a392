#include "daemon/apps/app_past.h"

#include "ipc/base/fd.h"
#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <string>

using namespace moult;

namespace {

Config with_apps(const std::vector<std::string>& names) {
  Config config;
  for (const std::string& name : names) config.apps.emplace_back().name = name;
  return config;
}

}  // namespace

TEST_CASE("what an app left behind is read before it is made, and no number is given twice") {
  const TempTree temp;
  AppRecord record;
  record.next_generation = 3;
  record.frozen = true;
  temp.write("apps/blog/state.json", encode_record(record));
  temp.write("apps/blog/app.log", to_text({{}, 7, "stdout", "hello"}) + "\n");
  const auto pasts = read_pasts(temp.path(""), with_apps({"blog", "fresh", "runs"}), {"runs"});
  REQUIRE(pasts);
  CHECK(pasts->size() == 2);
  CHECK(pasts->at("blog").record.record.frozen);
  CHECK(pasts->at("blog").record.record.next_generation == 8);
  CHECK(pasts->at("blog").lines.size() == 1);
  CHECK_FALSE(pasts->at("fresh").record.problem);
  CHECK(pasts->at("fresh").record.record.next_generation == 1);
}

TEST_CASE("pipes in the place of an app's files are not waited for") {
  const TempTree temp;
  REQUIRE(make_folders(temp.path("apps/blog")));
  for (const char* name : {"state.json", "app.log"})
    REQUIRE(::mkfifo(temp.path(std::string("apps/blog/") + name).c_str(), 0600) == 0);
  const auto pasts = read_pasts(temp.path(""), with_apps({"blog"}), {});
  REQUIRE(pasts);
  REQUIRE(pasts->at("blog").record.problem);
  CHECK(pasts->at("blog").record.problem->message.find("a pipe") != std::string::npos);
  CHECK(pasts->at("blog").lines.empty());
  uv::Loop loop;
  AppLog log(loop, log_file(temp.path("apps/blog")), {}, 1 << 20, 2);
  log.add({{}, 1, "stdout", "hello"});
  loop.run();
  CHECK_FALSE(log.problem().empty());
}

TEST_CASE("a state folder that cannot be written is told") {
  const TempTree temp;
  temp.write("apps", "a file");
  CHECK_FALSE(read_pasts(temp.path(""), with_apps({"blog"}), {}));
}
