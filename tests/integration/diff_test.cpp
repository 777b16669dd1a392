// What differs between two generations.

#include "tests/integration/gate.h"
#include "tests/integration/sources.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

using namespace moult::testing;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// The app "blog" after three versions of it.
struct ThreeVersions {
  DaemonProcess daemon;
  AppTree app = daemon.add_app("blog", "");

  ThreeVersions() {
    app.write("old.py", "A = 1\n");
    app.write("app.py", answers("one"));
    daemon.start();
    app.write("app.py", answers("two"));
    REQUIRE(daemon.wait_for_body("/", "two"));
    app.remove("old.py");
    app.write("new.py", "B = 2\n");
    app.write("latin.py", "# -*- coding: latin-1 -*-\nC = '\xE9'\n");
    app.write("app.py", answers("three"));
    REQUIRE(daemon.wait_for_body("/", "three"));
  }
};

}  // namespace

TEST_CASE("diff shows what changed between two generations from their kept sources, whatever the disk has") {
  const ThreeVersions blog;
  const int active = blog.daemon.generation("blog");
  const Finished one = blog.daemon.ctl({"diff", "blog", "1", "2"});
  CHECK(one.status == 0);
  CHECK(contains(one.output, "--- a/app.py\tgeneration 1\n+++ b/app.py\tgeneration 2\n@@ -"));
  CHECK(contains(one.output, "one"));
  CHECK(contains(one.output, "two"));
  CHECK_FALSE(contains(one.output, "three"));
  const Finished all = blog.daemon.ctl({"diff", "blog", "1", std::to_string(active)});
  CHECK(contains(all.output, "--- a/old.py\tgeneration 1\n+++ /dev/null\t"));
  CHECK(contains(all.output, "@@ -1 +0,0 @@\n-A = 1\n"));
  CHECK(contains(all.output, "@@ -0,0 +1 @@\n+B = 2\n"));
  CHECK(contains(all.output, "latin.py added: no UTF-8 text\n"));
  const Finished same = blog.daemon.ctl({"diff", "blog", "1", "1"});
  CHECK(same.output.empty());
  CHECK(same.errors == "no source differs between generation 1 and generation 1\n");
}

TEST_CASE(
    "diff without generations compares the one before with the active one; disk is what lies there now") {
  const ThreeVersions blog;
  const Finished plain = blog.daemon.ctl({"diff"});
  CHECK(plain.status == 0);
  CHECK(contains(plain.output, "three"));
  CHECK(plain.output == blog.daemon.ctl({"diff", "blog", "previous", "active"}).output);
  CHECK(blog.daemon.call("freeze", R"({"app":"blog"})").ok());
  blog.app.write("later.py", "D = 4\n");
  const Finished disk = blog.daemon.ctl({"diff", "blog", "active", "disk"});
  CHECK(contains(disk.output, "+++ b/later.py\tdisk\n@@ -0,0 +1 @@\n+D = 4\n"));
  CHECK(blog.daemon.ctl({"diff", "blog", "active", "disk", "--name-only"}).output == "added    later.py\n");
  CHECK(blog.daemon.ctl({"diff", "blog", "active", "disk", "--stat"}).output == "added    later.py  +1 -0\n");
  const Finished json = blog.daemon.ctl({"diff", "blog", "active", "disk", "--json"});
  CHECK(contains(json.output, R"("diff": "@@ -0,0 +1 @@\n+D = 4\n")"));
}

TEST_CASE("patch makes one generation of the other by what diff prints, and back") {
  if (std::system("patch --version > /dev/null 2>&1") != 0) {
    skip("there is no patch");
    return;
  }
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "");
  app.write_all({"gone/__init__.py", "gone/deep.py", "filled.py"}, "");
  app.write("gone/deep.py", "A = 1\n");
  app.write("app.py", answers("one"));
  daemon.start();
  const std::filesystem::path old = daemon.folder() / "old";
  const std::filesystem::path other = daemon.folder() / "other";
  std::filesystem::copy(app.path(), old, std::filesystem::copy_options::recursive);
  CHECK(daemon.call("deploy.begin", R"({"app":"blog"})").ok());
  std::filesystem::remove_all(app / "gone");
  app.write_all({"new/__init__.py", "new/with space.py"}, "");
  app.write("new/rest.py", "B = 2");
  app.write("filled.py", "C = 3\n");
  app.write("app.py", answers("two"));
  CHECK(daemon.call("deploy.end", R"({"app":"blog"})").ok());
  REQUIRE(daemon.get("/").body == "two");
  AppTree(daemon.folder().path()).write("a.diff", daemon.ctl({"diff", "blog", "1", "2"}).output);
  std::filesystem::copy(old, other, std::filesystem::copy_options::recursive);
  const auto in_other = [&](const std::string& command) {
    return run({{"/bin/sh", "-c", "cd '" + other.string() + "' && " + command}, {}, {}, {}, {}},
               daemon.folder().path().string());
  };
  const auto differs_from = [&](const std::filesystem::path& tree) {
    return in_other("diff -r -x __pycache__ '" + tree.string() + "' .").output;
  };
  const Finished there = in_other("patch -f -p1 < ../a.diff");
  CHECK_MESSAGE(there.status == 0, there.output);
  CHECK(differs_from(app.path()).empty());
  const Finished back = in_other("patch -f -R -p1 < ../a.diff");
  CHECK_MESSAGE(back.status == 0, back.output);
  CHECK(differs_from(old).empty());
}

TEST_CASE("a generation whose sources are not kept has no diff, and the error says which have") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "");
  app.write("app.py", answers("1"));
  daemon.start();
  for (int version = 2; version <= 8; ++version) {
    app.write("app.py", answers(std::to_string(version)));
    REQUIRE(daemon.wait_for_body("/", std::to_string(version)));
  }
  const Answer gone = daemon.call("diff", R"({"app":"blog","from":"1"})");
  CHECK(gone.error_code() == "failed");
  CHECK(gone.error_message() == "the sources of generation 1 of blog are not kept");
  const std::string hint = gone.error_text("/hint");
  CHECK(contains(hint, "kept are those of: 8, 7"));
  CHECK_FALSE(contains(hint, "2"));
  CHECK(daemon.call("rollback", R"({"app":"blog","generation":1})").error_message() ==
        "the code of generation 1 of blog is not kept any more");
  CHECK(daemon.call("rollback", R"({"app":"blog","generation":8})").error_message() ==
        "generation 8 of blog serves already");
  CHECK(daemon.call("rollback", R"({"app":"blog","generation":77})").error_message() ==
        "blog has no generation 77");
  CHECK(daemon.call("diff", R"({"app":"blog","from":"77"})").error_message() == "blog has no generation 77");
  CHECK(daemon.call("diff", R"({"app":"blog","from":"first"})").error_code() == "usage");
  CHECK(daemon.call("diff", R"({"app":"blog"})").ok());
}
