// Deploys in brackets: `moultctl deploy begin` and `end`.

#include "tests/integration/gate.h"
#include "tests/integration/meter.h"
#include "tests/integration/sources.h"

#include <doctest/doctest.h>

#include <string>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

struct Blog {
  DaemonProcess daemon;
  AppTree app;
  Meter meter{daemon};
  Blog() : app(daemon.add_app("blog")) {
    app.write("app.py", answers("one"));
    daemon.start();
  }
  int generation() const { return daemon.generation("blog"); }
  std::string body() const { return daemon.get("/").body; }
  std::string why() const { return daemon.call("why", R"({"app":"blog"})").raw(); }
  bool says(const std::string& text) const { return daemon.logs(text); }
  // Until the daemon has noticed `count` changes that wait.
  bool wait_for_changes(int count) const {
    return eventually([&] { return daemon.status("blog").number("/deploy/changes") >= count; });
  }
};

}  // namespace

TEST_CASE("what changes between deploy begin and end makes one generation, at the end") {
  Blog blog;
  CHECK(blog.daemon.ctl({"deploy", "begin", "blog"}).status == 0);
  blog.app.write("part.py", "VERSION = 'two'\n");
  REQUIRE(blog.wait_for_changes(1));
  REQUIRE(blog.meter.passes());
  blog.app.write("app.py", answers_with_late_import("part"));
  REQUIRE(blog.wait_for_changes(2));
  REQUIRE(blog.meter.passes());
  CHECK(blog.body() == "one");
  CHECK(blog.generation() == 1);
  CHECK(blog.daemon.status("blog").text("/watch") == "deploy");
  CHECK(blog.why().find("part.py: deploy bracket") != std::string::npos);
  CHECK(blog.daemon.ctl({"status", "blog"}).output.find("; 2 changed files wait\n") != std::string::npos);
  CHECK(blog.daemon.ctl({"why", "blog"}).output.find("deploy bracket: open since") != std::string::npos);
  CHECK(blog.daemon.call("why", R"({"app":"blog"})").text("/waiting_for").find("deploy bracket") == 0);

  const Finished end = blog.daemon.ctl({"deploy", "end", "blog"});
  CHECK(end.status == 0);
  CHECK(end.output.find("generation 2 serves") != std::string::npos);
  CHECK(blog.body() == "two");
  CHECK(blog.daemon.status("blog").text("/active/cause") == "deploy");
  CHECK_FALSE(blog.daemon.status("blog").has("/deploy"));
  blog.app.write("part.py", "VERSION = 'three'\n");  // from now on as before
  CHECK(blog.daemon.wait_for_body("/", "three"));
  CHECK(blog.generation() == 3);
}

TEST_CASE("the end of a deploy tells whether the new code was taken, and makes nothing of nothing") {
  Blog blog;
  CHECK(blog.daemon.ctl({"deploy", "begin", "blog"}).status == 0);
  const Answer nothing = blog.daemon.call("deploy.end", R"({"app":"blog"})");
  CHECK(nothing.text("/outcome") == "unchanged");
  CHECK(nothing.text("/deploy") == "ended");
  CHECK(blog.generation() == 1);
  CHECK(blog.daemon.ctl({"deploy", "begin", "blog"}).status == 0);
  blog.app.write("app.py", "import nothing_of_this_name\n");
  const Finished rejected = blog.daemon.ctl({"deploy", "end", "blog"});
  CHECK(rejected.status == 6);
  CHECK(rejected.errors.find("nothing_of_this_name") != std::string::npos);
  CHECK(blog.body() == "one");
  blog.app.write("app.py", answers("two"));
  CHECK(blog.daemon.wait_for_body("/", "two"));
  const Finished none = blog.daemon.ctl({"deploy", "end", "blog"});
  CHECK(none.status == 0);
  CHECK(none.output.find("no deploy was under way") != std::string::npos);
}

TEST_CASE("a deploy that is not ended ends by itself, and log, status and why say so") {
  Blog blog;
  CHECK(blog.daemon.ctl({"deploy", "begin", "blog", "--for", "1s"}).status == 0);
  blog.app.write("app.py", answers("two"));
  CHECK(blog.daemon.wait_for_body("/", "two"));
  CHECK(blog.says("deploy ended by itself"));
  CHECK(blog.why().find("ended by itself") != std::string::npos);
  const Answer status = blog.daemon.status("blog");
  CHECK(status.text("/warnings/0").find("ended by itself") != std::string::npos);
  CHECK_FALSE(status.has("/deploy"));
  CHECK(count_events(blog.daemon, "deploy.lapsed") == 1);
  CHECK(blog.daemon.ctl({"deploy", "end", "blog"}).status == 0);
  CHECK(blog.daemon.status("blog").size("/warnings") == 0);
}

TEST_CASE("a second deploy begin moves the deadline") {
  Blog blog;
  CHECK(blog.daemon.call("deploy.begin", R"({"app":"blog","for_seconds":1})").text("/outcome") == "begun");
  CHECK(blog.daemon.call("deploy.begin", R"({"app":"blog","for_seconds":600})").text("/outcome") ==
        "renewed");
  blog.app.write("app.py", answers("two"));
  let_pass(1500ms);
  CHECK(blog.body() == "one");
  CHECK(blog.daemon.ctl({"deploy", "end", "blog"}).status == 0);
  CHECK(blog.body() == "two");
  CHECK(blog.generation() == 2);
  CHECK(blog.daemon.call("deploy.begin", R"({"app":"blog","for_seconds":0})").error_code() == "usage");
  CHECK(blog.daemon.call("deploy.begin", R"({"app":"blog","for_seconds":100000})").error_code() == "usage");
}

TEST_CASE("a touch of tmp/restart.txt within a deploy counts at its end") {
  Blog blog;
  CHECK(blog.daemon.ctl({"deploy", "begin", "blog"}).status == 0);
  blog.app.touch("tmp/restart.txt");
  REQUIRE(blog.wait_for_changes(1));
  REQUIRE(blog.meter.passes());
  CHECK(blog.generation() == 1);
  CHECK(blog.daemon.call("deploy.end", R"({"app":"blog"})").text("/outcome") == "switched");
  CHECK(blog.generation() == 2);
}

TEST_CASE("a deploy outlives a restart of the daemon, which serves what was active last") {
  Blog blog;
  CHECK(blog.daemon.ctl({"deploy", "begin", "blog"}).status == 0);
  blog.app.write("app.py", answers_with_late_import("part"));  // half of it: there is no such module yet
  REQUIRE(blog.wait_for_changes(1));
  REQUIRE(blog.daemon.stop() == 0);
  blog.daemon.start();
  CHECK(blog.body() == "one");
  CHECK(blog.daemon.status("blog").has("/deploy"));
  blog.app.write("part.py", "VERSION = 'two'\n");
  REQUIRE(blog.meter.passes());
  CHECK(blog.body() == "one");
  CHECK(blog.daemon.ctl({"deploy", "end", "blog"}).status == 0);
  CHECK(blog.body() == "two");
}

TEST_CASE("a deploy whose time was over while the daemon was away has ended") {
  Blog blog;
  CHECK(blog.daemon.ctl({"deploy", "begin", "blog", "--for", "1s"}).status == 0);
  blog.app.write("app.py", answers("two"));
  REQUIRE(blog.daemon.stop() == 0);
  let_pass(1100ms);
  blog.daemon.start();
  CHECK(blog.body() == "two");
  CHECK_FALSE(blog.daemon.status("blog").has("/deploy"));
  CHECK(blog.daemon.status("blog").text("/warnings/0").find("ended by itself") != std::string::npos);
}

TEST_CASE("an app that is removed and comes back within a deploy is still in it") {
  Blog blog;
  CHECK(blog.daemon.ctl({"deploy", "begin", "blog"}).status == 0);
  blog.daemon.remove_app_config("blog");
  REQUIRE(eventually([&] { return blog.daemon.call("list").size("/apps") == 1; }));
  CHECK(blog.daemon.ctl({"deploy", "end", "blog"}).status == 4);
  blog.app.write("app.py", answers("two"));
  blog.daemon.write_app_config("blog", blog.app.path(), "");
  REQUIRE(blog.daemon.wait_for_body("/", "one"));
  CHECK(blog.daemon.ctl({"deploy", "end", "blog"}).status == 0);
  CHECK(blog.body() == "two");
}

TEST_CASE("what was being made when a deploy began is not switched to when the deploy changes it") {
  Blog blog;
  const Gate gate(blog.daemon, "import");
  blog.app.write("app.py", gate.at_import() + answers("two"));
  REQUIRE(gate.is_reached());
  CHECK(blog.daemon.ctl({"deploy", "begin", "blog"}).status == 0);
  blog.app.write("app.py", answers("three"));
  REQUIRE(blog.wait_for_changes(1));
  gate.open();
  REQUIRE(blog.meter.passes());
  CHECK(blog.body() == "one");
  CHECK(blog.daemon.ctl({"deploy", "end", "blog"}).status == 0);
  CHECK(blog.body() == "three");
}

TEST_CASE("within a deploy a reload works, and a stopped app is not started by its end") {
  Blog blog;
  CHECK(blog.daemon.ctl({"deploy", "begin", "blog"}).status == 0);
  blog.app.write("app.py", answers("two"));
  REQUIRE(blog.wait_for_changes(1));
  CHECK(blog.daemon.ctl({"reload", "blog"}).status == 0);
  CHECK(blog.body() == "two");
  blog.app.write("app.py", answers("three"));
  REQUIRE(blog.meter.passes());
  CHECK(blog.body() == "two");
  CHECK(blog.daemon.ctl({"stop", "blog"}).status == 0);
  CHECK(blog.daemon.ctl({"deploy", "end", "blog"}).status == 3);
  CHECK(blog.daemon.ctl({"start", "blog"}).status == 0);
  CHECK(blog.body() == "three");
}

TEST_CASE("a deploy of all apps begins and ends with one command each") {
  DaemonProcess daemon;
  const AppTree blog = daemon.add_app("blog", "route = \"/blog\"");
  const AppTree shop = daemon.add_app("shop", "route = \"/shop\"");
  for (const AppTree* app : {&blog, &shop}) app->write("app.py", answers("one"));
  daemon.start();
  CHECK(daemon.ctl({"deploy", "begin", "--all"}).status == 0);
  for (const AppTree* app : {&blog, &shop}) app->write("app.py", answers("two"));
  for (const char* name : {"blog", "shop"})
    REQUIRE(eventually([&] { return daemon.status(name).number("/deploy/changes") >= 1; }));
  CHECK(daemon.get("/shop").body == "one");
  CHECK(daemon.ctl({"deploy", "end", "--all"}).status == 0);
  CHECK(daemon.get("/blog").body == "two");
  CHECK(daemon.get("/shop").body == "two");
}
