// What an app remembers over a daemon that is killed, and over a file that is damaged.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"
#include "tests/support/eventually.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

using namespace moult::testing;

namespace {

constexpr const char* kBlog = R"({"app":"blog"})";

// Two generations of an app "blog": "one", then "two".
struct Blog {
  DaemonProcess daemon;
  AppTree app = daemon.add_app("blog");

  Blog() {
    app.write("app.py", answers("one"));
    daemon.start();
    app.write("app.py", answers("two"));
    REQUIRE(daemon.wait_for_body("/", "two"));
  }
  // Says yes to a command and is killed.
  void answer_and_die(const char* method) {
    const Answer answer = daemon.call(method, kBlog);
    REQUIRE_MESSAGE(answer.ok(), answer.raw());
    daemon.kill();
  }
  std::string state() const { return daemon.status("blog").text("/state"); }
};

}  // namespace

TEST_CASE("what was answered outlives a daemon that is killed right after it") {
  Blog blog;
  blog.answer_and_die("rollback");
  blog.daemon.start();
  CHECK(blog.daemon.status("blog").has("/pinned_generation"));
  CHECK(blog.daemon.get("/").body == "one");
  blog.answer_and_die("freeze");
  blog.daemon.start();
  CHECK(blog.daemon.status("blog").flag("/frozen"));
  blog.answer_and_die("thaw");
  blog.daemon.start();
  CHECK_FALSE(blog.daemon.status("blog").flag("/frozen"));
  CHECK(blog.daemon.wait_for_body("/", "two"));
  blog.answer_and_die("deploy.begin");
  blog.app.write("app.py", answers("half"));
  blog.daemon.start();
  CHECK(blog.daemon.get("/").body == "two");
  blog.answer_and_die("deploy.end");
  blog.daemon.start();
  CHECK(blog.daemon.get("/").body == "half");
  for (int i = 0; i < 3; ++i) {
    CAPTURE(i);
    blog.answer_and_die("stop");
    blog.daemon.start_listening();
    CHECK(blog.state() == "stopped");
    blog.answer_and_die("start");
    blog.daemon.start();
    CHECK(blog.state() == "running");
  }
}

TEST_CASE("a damaged state file is told of and kept, and no generation's number is given twice") {
  Blog blog;
  REQUIRE(blog.daemon.stop().value_or(-1) == 0);
  const int last = 2;
  const AppTree state(blog.daemon.state_folder());
  const std::string path = blog.daemon.state_folder() + "/apps/blog/state.json";
  state.write("apps/blog/state.json", R"({"version":1,"next_generation": 3,"act)");
  state.write("apps/blog/state.json.k3yT9q", "{");
  blog.daemon.start();
  CHECK(blog.daemon.generation("blog") > last);
  CHECK(blog.daemon.logs(path + ": the app's state file is damaged"));
  CHECK(std::filesystem::exists(path + ".damaged"));
  CHECK_FALSE(std::filesystem::exists(path + ".k3yT9q"));
}

TEST_CASE("numbers go on after those of the app's log where the state file says nothing of them") {
  DaemonProcess daemon;
  daemon.add_app("blog").write("app.py", "print('hello')\n" + answers("one"));
  daemon.start();
  REQUIRE(daemon.call("reload", kBlog).ok());
  REQUIRE(eventually([&] { return daemon.app_log("blog").find(" [2] stdout: hello") != std::string::npos; }));
  REQUIRE(daemon.stop().value_or(-1) == 0);
  AppTree(daemon.state_folder()).write("apps/blog/state.json", "{");
  daemon.start();
  CHECK(daemon.generation("blog") == 3);
}
