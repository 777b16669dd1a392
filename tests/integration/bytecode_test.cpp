// Compiled code outlives interpreters, hosts and daemons, and is never that of another source.

#include "tests/integration/gate.h"
#include "tests/integration/reload_problems.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

using namespace moult::testing;
namespace fs = std::filesystem;

namespace {

// The answer is part.VALUE, and how often part.py was compiled for this interpreter.
const std::string kCounts = serves(R"(
import os, sys
compiled = []
def hook(event, args):
    if event == 'compile' and str(args[1]).endswith('/part.py'):
        compiled.append(args[1])
sys.addaudithook(hook)
import part
def answer(path):
    return f"{part.VALUE}, {len(compiled)} compiled"
)");

struct Counting {
  Blog blog;
  fs::path cache = blog.daemon.folder() / "home/.cache/moult/code";

  explicit Counting(std::string_view toml = "")
      : blog({{"app.py", kCounts}, {"part.py", "VALUE = 1\n"}}, toml) {}
  bool keeps(std::size_t files) const {
    return eventually([&] {
      std::size_t found = 0;
      std::error_code error;
      for (fs::directory_iterator it(cache, error), end; !error && it != end; it.increment(error))
        found += it->path().filename().string().starts_with('.') ? 0 : 1;
      return found == files;
    });
  }
};

}  // namespace

TEST_CASE("a roll-back, another host and the next daemon load what was compiled once") {
  Counting app("keep_previous = 0");
  CHECK(app.blog.body() == "1, 1 compiled");
  REQUIRE(app.keeps(2));
  app.blog.save({{"part.py", "VALUE = 2\n"}});
  CHECK(app.blog.answers_soon("2, 1 compiled"));
  REQUIRE(app.keeps(3));
  CHECK(app.blog.call("rollback").ok());
  CHECK(app.blog.body() == "1, 0 compiled");
  CHECK(app.blog.daemon.call("recycle").ok());
  CHECK(app.blog.body() == "1, 0 compiled");
  REQUIRE(app.blog.daemon.stop() == 0);
  app.blog.daemon.start();
  CHECK(app.blog.body() == "1, 0 compiled");
  CHECK_FALSE(fs::exists(app.blog.app / "__pycache__"));
}

TEST_CASE("two edits of one size and one time are two sources, whatever is cached") {
  Counting app;
  const auto time = fs::last_write_time(app.blog.app / "part.py");
  for (const std::string value : {"2", "3", "2", "1"}) {
    AppTree(app.blog.daemon.folder() / "beside").write("part.py", "VALUE = " + value + "\n");
    const fs::path beside = app.blog.daemon.folder() / "beside/part.py";
    fs::last_write_time(beside, time);
    fs::rename(beside, app.blog.app / "part.py");
    CHECK(eventually([&] { return app.blog.body().starts_with(value + ", "); }));
  }
}

TEST_CASE("a cache that cannot be used is told of, and the app is served without it") {
  DaemonProcess daemon;
  fs::create_directories(daemon.folder() / "home/.cache/moult");
  fs::permissions(daemon.folder() / "home/.cache/moult", fs::perms::all);
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", kCounts);
  app.write("part.py", "VALUE = 1\n");
  daemon.start();
  CHECK(daemon.get("/").body == "1, 1 compiled");
  CHECK(eventually([&] { return daemon.log().find("others may write to it") != std::string::npos; }));
  CHECK(daemon.ctl({"doctor"}).output.find("bytecode cache") != std::string::npos);
  CHECK_FALSE(fs::exists(daemon.folder() / "home/.cache/moult/code"));
}

TEST_CASE("bytecode_cache = \"off\" leaves no trace") {
  DaemonProcess daemon;
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nbytecode_cache = \"off\"\n");
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", kCounts);
  app.write("part.py", "VALUE = 1\n");
  daemon.start();
  CHECK(daemon.get("/").body == "1, 1 compiled");
  app.write("part.py", "VALUE = 2\n");
  CHECK(daemon.wait_for_body("/", "2, 1 compiled"));
  CHECK_FALSE(fs::exists(daemon.folder() / "home/.cache"));
}
