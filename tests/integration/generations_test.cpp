// What is told of generations, those of an earlier daemon too.

#include "tests/integration/gate.h"
#include "tests/integration/sources.h"

#include <doctest/doctest.h>

using namespace moult::testing;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("each generation says its commit, rejected ones and those of an earlier daemon too") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "");
  const auto commit = [&app](char digit) {
    app.write(".git/refs/heads/main", std::string(40, digit) + "\n");
  };
  const auto commit_of = [&daemon](int generation) {
    const Answer rows = daemon.call("generations", R"({"app":"blog"})");
    for (std::size_t i = 0; i < rows.size("/generations"); ++i) {
      const std::string row = "/generations/" + std::to_string(i);
      if (rows.number(row + "/generation") == generation) return rows.text(row + "/vcs_commit");
    }
    return std::string("no such generation");
  };
  app.write(".git/HEAD", "ref: refs/heads/main\n");
  commit('1');
  app.write("app.py", answers("one"));
  daemon.start();
  commit('2');
  app.write("app.py", answers("two"));
  REQUIRE(daemon.wait_for_body("/", "two"));
  commit('3');
  app.write("app.py", "import nothing_of_this_name\n");
  REQUIRE(eventually([&] { return daemon.status("blog").has("/rejected"); }));
  CHECK(daemon.stop() == 0);
  daemon.start();  // the disk's code is rejected once more, then what served last is made again
  REQUIRE(daemon.wait_for_body("/", "two"));
  CHECK(commit_of(1) == "111111111111");
  CHECK(commit_of(2) == "222222222222");
  CHECK(commit_of(3) == "333333333333");
  CHECK(commit_of(daemon.generation("blog")) == "222222222222");
  CHECK(daemon.call("rollback", R"({"app":"blog","generation":1})").ok());
  CHECK(commit_of(daemon.generation("blog")) == "111111111111");
  const Finished table = daemon.ctl({"generations", "blog"});
  CHECK(contains(table.output, "COMMIT"));
  CHECK(contains(table.output, "333333333333"));
}
