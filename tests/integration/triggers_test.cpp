// What makes a generation and what does not.

#include "tests/integration/meter.h"
#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"

#include <doctest/doctest.h>

#include <string>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

struct Blog {
  DaemonProcess daemon;
  AppTree app;
  Meter meter{daemon};
  explicit Blog(std::string_view toml = "") : app(daemon.add_app("blog", toml)) {
    app.write("app.py", answers("one"));
    daemon.start();
  }
  int generation() const { return daemon.generation("blog"); }
  // Whether the events have one of this name.
  bool saw(const std::string& event) const {
    const Answer events = daemon.call("events", R"({"app":"blog","filter":[")" + event + "\"]}");
    return events.size("/events") > 0;
  }
};

}  // namespace

TEST_CASE("a burst of writes makes exactly one generation, and it is the last state") {
  Blog blog("settle = \"300ms\"");
  for (int i = 0; i < 20; ++i) {
    blog.app.write("part" + std::to_string(i % 5) + ".py", "N = " + std::to_string(i) + "\n");
    blog.app.write("app.py", answers("state " + std::to_string(i)));
    let_pass(20ms);
  }
  CHECK(blog.daemon.wait_for_body("/", "state 19"));
  CHECK(blog.generation() == 2);
}

TEST_CASE("a change while a generation is being made is not forgotten") {
  Blog blog;
  const std::string gate = blog.daemon.folder() / "gate";
  blog.app.write("app.py", "import os, time\nopen('" + gate +
                               ".began', 'w').close()\nwhile not os.path.exists('" + gate +
                               "'): time.sleep(0.01)\n" + answers("two"));
  CHECK(eventually([&] { return std::filesystem::exists(gate + ".began"); }));
  blog.app.write("app.py", answers("three"));
  CHECK(blog.daemon.wait_for_body("/", "three"));
  AppTree(blog.daemon.folder().path()).touch("gate");
  REQUIRE(blog.meter.passes());
  CHECK(blog.daemon.get("/").body == "three");
}

TEST_CASE("a file written in place, a new package and a removed module are changes") {
  Blog blog;
  blog.app.write_in_place("app.py", answers("in place"));
  CHECK(blog.daemon.wait_for_body("/", "in place"));
  blog.app.write("pack/__init__.py", "VERSION = 'package'\n");
  blog.app.write("app.py", answers_with_late_import("pack"));
  CHECK(blog.daemon.wait_for_body("/", "package"));
  blog.app.write("pack/__init__.py", "from pack.deep.er import VERSION\n");
  blog.app.write("pack/deep/er.py", "VERSION = 'deep'\n");
  CHECK(blog.daemon.wait_for_body("/", "deep"));
  blog.app.write("pack/deep/er.py", "VERSION = 'deeper'\n");
  CHECK(blog.daemon.wait_for_body("/", "deeper"));
}

TEST_CASE("a write that leaves the content as it was makes no generation, and why says so") {
  Blog blog;
  blog.app.write("part.py", "N = 1\n");
  CHECK(blog.daemon.wait_for_generation("blog", 2));
  blog.app.write("part.py", "N = 1\n");
  CHECK(eventually([&] { return blog.saw("change.ignored"); }));
  CHECK(blog.generation() == 2);
  CHECK(blog.daemon.call("why", R"({"app":"blog"})").raw().find("same content") != std::string::npos);
}

TEST_CASE("files that nobody imports as code wake nothing") {
  Blog blog;
  blog.app.write("__pycache__/x.pyc", "x");
  blog.app.write("node_modules/x.py", "x");
  blog.app.write(".git/x.py", "x");
  blog.app.write("notes.py~", "x");
  REQUIRE(blog.meter.passes());
  CHECK(blog.generation() == 1);
  blog.app.write("app.py", answers("two"));
  CHECK(blog.daemon.wait_for_body("/", "two"));
  CHECK(blog.generation() == 2);
}

TEST_CASE("a template that is named in watch counts") {
  DaemonProcess daemon;
  const AppTree app =
      daemon.add_app("blog", "watch = [" + json_text((daemon.tree("blog") / "templates").string()) + "]");
  app.write("app.py", answers("one"));
  daemon.start();
  app.write("templates/page.html", "<p>");
  CHECK(daemon.wait_for_generation("blog", 2));
}

TEST_CASE("a touch of tmp/restart.txt or of the entry file forces a generation") {
  Blog blog;
  blog.app.touch("tmp/restart.txt");
  CHECK(blog.daemon.wait_for_generation("blog", 2));
  CHECK(blog.daemon.status("blog").text("/active/cause") == "touch");
  blog.app.touch("app.py");
  CHECK(blog.daemon.wait_for_generation("blog", 3));
}

TEST_CASE("with reload off only a command makes a generation") {
  Blog blog("reload = \"off\"");
  blog.app.write("app.py", answers("two"));
  REQUIRE(blog.meter.passes());
  CHECK(blog.daemon.get("/").body == "one");
  const std::string may_differ = "reload is off, and something has changed on the disk";
  CHECK(blog.daemon.status("blog").text("/note") == may_differ);
  const std::string page = blog.daemon.ctl({"status", "blog"}).output;
  CHECK(page.find("changes are not acted on (reload = \"off\")") != std::string::npos);
  CHECK(page.find("moultctl diff blog active disk shows") != std::string::npos);
  CHECK(blog.daemon.ctl({"freeze", "blog"}).status == 0);
  CHECK(blog.daemon.ctl({"thaw", "blog"}).output.find("thawed, but reload is off") != std::string::npos);
  CHECK(blog.daemon.ctl({"thaw", "blog"}).output.find("not frozen, but reload is off") != std::string::npos);
  CHECK(blog.daemon.get("/").body == "one");
  CHECK(blog.daemon.ctl({"reload", "blog"}).status == 0);
  CHECK(blog.daemon.get("/").body == "two");
  CHECK(blog.daemon.status("blog").text("/watch") == "off");
  CHECK(blog.daemon.status("blog").text("/note") == "");
}

TEST_CASE("polling notices the same changes, and status says that it polls") {
  Blog blog("polling = \"on\"");
  CHECK(blog.daemon.status("blog").text("/watch") == "polling");
  blog.app.write("app.py", answers("two"));
  CHECK(blog.daemon.wait_for_body("/", "two"));
  blog.app.write_in_place("app.py", answers("six"));  // the same size, maybe the same second
  CHECK(blog.daemon.wait_for_body("/", "six"));
}

TEST_CASE("a version control lock holds a change back until it is gone") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  Meter meter(daemon);
  app.write("app.py", answers("one"));
  app.write(".git/HEAD", "ref: refs/heads/main\n");
  daemon.start();
  app.touch(".git/index.lock");
  app.write("app.py", answers("two"));
  REQUIRE(meter.passes());
  CHECK(daemon.get("/").body == "one");
  app.remove(".git/index.lock");
  CHECK(daemon.wait_for_body("/", "two"));
}

TEST_CASE("a tree whose files vanish keeps its old code, and comes back") {
  Blog blog;
  std::filesystem::rename(blog.app.path(), blog.daemon.folder() / "away");
  REQUIRE(blog.meter.passes());
  CHECK(blog.daemon.get("/").body == "one");
  std::filesystem::rename(blog.daemon.folder() / "away", blog.app.path());
  blog.app.write("app.py", answers("back"));
  CHECK(blog.daemon.wait_for_body("/", "back"));
}

TEST_CASE("a release symlink that is turned moves the app to the new folder") {
  DaemonProcess daemon;
  const AppTree first(daemon.folder().path() / "releases/1");
  const AppTree second(daemon.folder().path() / "releases/2");
  first.write("app.py", answers("release 1"));
  second.write("app.py", answers("release 2"));
  const std::filesystem::path current = daemon.folder().path() / "current";
  std::filesystem::create_directory_symlink(first.path(), current);
  daemon.write_app_config("blog", current, "");
  daemon.start();
  CHECK(daemon.get("/").body == "release 1");
  std::filesystem::create_directory_symlink(second.path(), current.string() + ".new");
  std::filesystem::rename(current.string() + ".new", current);
  CHECK(daemon.wait_for_body("/", "release 2"));
}

TEST_CASE("an idle app has drained its old generation at once") {
  Blog blog("keep_previous = 0");
  CHECK(blog.daemon.call("reload", R"({"app":"blog","wait":"drained"})").number("/elapsed_seconds") < 10);
  CHECK(eventually([&] { return blog.daemon.status("blog").raw().find("draining") == std::string::npos; }));
}
