// Changes of code: what is served meanwhile, what is refused, what is seen of it. The cases name the
// promises of design.md section 2 that they hold Moult to.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"
#include "tests/support/load_client.h"

#include <doctest/doctest.h>

#include <string>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* kBroken = "def application(environ, start_response:\n    pass\n";

std::string must_be_one_of(const HttpResponse& response, std::string_view allowed) {
  const bool known = response.status == 200 && allowed.find(response.body) != std::string_view::npos;
  return known ? "" : std::to_string(response.status) + " " + response.body;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("promise 1: an edit under load loses no call") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", answers("old"));
  daemon.start();
  LoadClient load(daemon.address(), "/", 16, [](const HttpResponse& response, const std::string&) {
    return must_be_one_of(response, "old new");
  });
  app.write("app.py", answers("new"));
  CHECK(daemon.wait_for_body("/", "new"));
  const std::uint64_t before = load.answered();
  CHECK(eventually([&] { return load.answered() > before + 200; }));
  load.stop();
  CHECK_MESSAGE(load.failed() == 0, load.failures());
  CHECK(daemon.generation("blog") == 2);
}

TEST_CASE("promise 1: reload, restart and roll-back under load lose no call") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", answers("old"));
  daemon.start();
  LoadClient load(daemon.address(), "/", 8, [](const HttpResponse& response, const std::string&) {
    return must_be_one_of(response, "old new");
  });
  CHECK(daemon.call("reload", R"({"app":"blog"})").text("/outcome") == "switched");
  CHECK(daemon.call("restart", R"({"app":"blog"})").ok());
  app.write("app.py", answers("new"));
  CHECK(daemon.wait_for_body("/", "new"));
  CHECK(daemon.call("rollback", R"({"app":"blog"})").ok());
  CHECK(daemon.get("/").body == "old");
  load.stop();
  CHECK_MESSAGE(load.failed() == 0, load.failures());
  CHECK(load.answered() > 100);
}

TEST_CASE("promise 1: a call that runs finishes on the old code while new calls run new code") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  const std::string gate = daemon.folder() / "gate";
  app.write("app.py", answers_after("while environ['PATH_INFO'] == '/slow' and not os.path.exists('" + gate +
                                        "'): time.sleep(0.01)",
                                    "old"));
  daemon.start();
  HttpConnection slow(daemon.address());
  slow.send(get_request("/slow"));
  CHECK(eventually([&] { return daemon.status("blog").number("/calls/running") == 1; }));
  app.write("app.py", answers("new"));
  CHECK(daemon.wait_for_body("/", "new"));
  CHECK(daemon.status("blog").raw().find("draining") != std::string::npos);
  AppTree(daemon.folder().path()).touch("gate");
  CHECK(slow.read_response().body == "old");
  CHECK(daemon.call("wait", R"({"app":"blog","until":"drained"})").ok());
}

TEST_CASE("promise 1: a call that outlives drain_timeout is interrupted, counted and logged") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "drain_timeout = \"300ms\"\nkeep_previous = 0");
  app.write("app.py", answers_after("while environ['PATH_INFO'] == '/slow': time.sleep(0.01)", "old"));
  daemon.start();
  HttpConnection slow(daemon.address());
  slow.send(get_request("/slow"));
  CHECK(eventually([&] { return daemon.status("blog").number("/calls/running") == 1; }));
  app.write("app.py", answers("new"));
  CHECK(daemon.wait_for_body("/", "new"));
  CHECK(slow.read_response().status >= 500);
  CHECK(eventually([&] { return daemon.status("blog").number("/counters/drain_killed") == 1; }));
  CHECK(daemon.get("/").body == "new");
}

TEST_CASE(
    "promise 2: code that does not compile is rejected, the old code serves, and the traceback is seen") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", answers("old"));
  daemon.start();
  app.write("app.py", kBroken);
  CHECK(daemon.wait_for_state("blog", "degraded"));
  CHECK(daemon.get("/").body == "old");
  const Answer status = daemon.status("blog");
  CHECK(status.number("/generation") == 1);
  CHECK(status.number("/rejected/generation") == 2);
  CHECK(status.text("/rejected/stage") == "import");
  CHECK(contains(status.text("/rejected/traceback"), "SyntaxError"));
  CHECK(contains(status.text("/rejected/file"), "app.py"));
  CHECK(status.number("/rejected/line") == 1);
  CHECK(daemon.logs("SyntaxError"));

  const Finished reload = daemon.ctl({"reload", "blog"});
  CHECK(reload.status == 6);
  CHECK(contains(reload.output + reload.errors, "SyntaxError"));
  const Finished page = daemon.ctl({"status", "blog"});
  CHECK(page.status == 0);
  CHECK(contains(page.output, "SyntaxError"));

  app.write("app.py", answers("mended"));  // the next change tries again
  CHECK(daemon.wait_for_body("/", "mended"));
  CHECK(daemon.status("blog").text("/state") == "running");
  CHECK_FALSE(daemon.status("blog").has("/rejected"));
}

TEST_CASE("promise 2: code without a callable, or that fails its warm-up, is rejected") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "warmup = [\"/\"]");
  app.write("app.py", answers("old"));
  daemon.start();
  app.write("app.py", "something_else = 1\n");
  CHECK(daemon.wait_for_state("blog", "degraded"));
  CHECK(daemon.status("blog").text("/rejected/stage") == "entry");
  app.write("app.py", answers_after("raise ValueError('not warm')", "new"));
  CHECK(eventually([&] {
    const Answer status = daemon.status("blog");
    return status.has("/rejected") && status.text("/rejected/stage") == "warmup";
  }));
  CHECK(daemon.get("/").body == "old");
}

TEST_CASE("promise 2 and 6: code that starts too slowly is rejected at start_timeout") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "start_timeout = \"3s\"");
  app.write("app.py", answers("old"));
  daemon.start();
  app.write("app.py", "import time\nwhile True: time.sleep(0.01)\n");
  CHECK(daemon.wait_for_state("blog", "degraded"));
  CHECK(daemon.status("blog").text("/rejected/stage") == "timeout");
  CHECK(daemon.get("/").body == "old");
  app.write("app.py", answers("mended"));
  CHECK(daemon.wait_for_body("/", "mended"));
}

TEST_CASE("promise 3: a module imported inside a call comes from the generation's own snapshot") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "reload = \"off\"");
  app.write("app.py", answers_with_late_import("late"));
  app.write("late.py", "VERSION = 1\n");
  daemon.start();
  app.write("late.py", "VERSION = 2\n");
  CHECK(daemon.get("/").body == "1");
  CHECK(daemon.call("reload", R"({"app":"blog"})").ok());
  app.remove("late.py");
  CHECK(daemon.get("/").body == "2");
}

TEST_CASE("promise 3: files that change while a generation is imported are not mixed into it") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "reload = \"off\"");
  const std::string gate = daemon.folder() / "gate";
  app.write("app.py", answers("old"));
  daemon.start();
  app.write_all({"first.py", "second.py"}, "VERSION = 1\n");
  app.write("app.py", "import os, time, first\nopen('" + gate +
                          ".began', 'w').close()\nwhile not os.path.exists('" + gate +
                          "'): time.sleep(0.01)\nimport second\n" +
                          "def application(environ, start_response):\n"
                          "    start_response('200 OK', [])\n"
                          "    return [b'%d %d' % (first.VERSION, second.VERSION)]\n");
  CHECK(daemon.ctl({"reload", "blog", "--no-wait"}).status == 0);
  REQUIRE(eventually([&] { return std::filesystem::exists(gate + ".began"); }));
  app.write_all({"first.py", "second.py"}, "VERSION = 2\n");
  AppTree(daemon.folder().path()).touch("gate");
  CHECK(daemon.wait_for_body("/", "1 1"));
  CHECK(daemon.ctl({"reload", "blog"}).status == 0);
  CHECK(daemon.get("/").body == "2 2");
}

TEST_CASE("promise 4: modules, environment and sys.path of a generation do not outlive it") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py",
            "import os, sys, warnings, logging\n"
            "left = (os.environ.get('LEFT'), 'left' in sys.modules, '/left' in sys.path,\n"
            "        len(warnings.filters) > 50, logging.getLogger().level == 7)\n"
            "os.environ['LEFT'] = 'yes'\n"
            "sys.modules['left'] = os\n"
            "sys.path.append('/left')\n"
            "logging.getLogger().setLevel(7)\n"
            "for i in range(60): warnings.filterwarnings('ignore', message='left%d' % i)\n"
            "def application(environ, start_response):\n"
            "    start_response('200 OK', [])\n"
            "    return [repr(left).encode()]\n");
  daemon.start();
  const std::string clean = "(None, False, False, False, False)";
  CHECK(daemon.get("/").body == clean);
  CHECK(daemon.call("reload", R"({"app":"blog"})").ok());
  CHECK(daemon.get("/").body == clean);
  CHECK(daemon.generation("blog") == 2);
}

TEST_CASE("promise 7: every change of generation has its cause, duration and outcome") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", answers("one"));
  daemon.start();
  app.write("app.py", answers("two"));
  CHECK(daemon.wait_for_body("/", "two"));
  app.write("app.py", kBroken);
  CHECK(daemon.wait_for_state("blog", "degraded"));
  const Answer all = daemon.call("generations", R"({"app":"blog"})");
  REQUIRE(all.size("/generations") == 3);
  CHECK(all.text("/generations/0/state") == "rejected");
  CHECK(all.text("/generations/1/state") == "active");
  CHECK(all.text("/generations/1/cause") == "change");
  CHECK(contains(all.text("/generations/1/cause_detail"), "app.py"));
  CHECK(all.number("/generations/1/make_seconds") > 0);
  CHECK(all.text("/generations/2/cause") == "start");
  const Answer events =
      daemon.call("events", R"({"app":"blog","filter":["generation.active","generation.rejected"]})");
  REQUIRE(events.size("/events") == 3);
  CHECK(events.text("/events/2/event") == "generation.rejected");
  CHECK(events.number("/events/2/data/serving") == 2);
}

TEST_CASE("a roll-back is one step back, holds against the same files, and ends with the next change") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", answers("one"));
  daemon.start();
  app.write("app.py", answers("two"));
  CHECK(daemon.wait_for_body("/", "two"));
  const Finished back = daemon.ctl({"rollback", "blog"});
  CHECK(back.status == 0);
  CHECK(daemon.get("/").body == "one");
  CHECK(daemon.status("blog").has("/pinned_generation"));
  app.write("app.py", answers("three"));
  CHECK(daemon.wait_for_body("/", "three"));
  CHECK_FALSE(daemon.status("blog").has("/pinned_generation"));
}

TEST_CASE("a roll-back reaches a generation whose files are gone, and its pin outlives the daemon") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "keep_previous = 0");
  app.write("app.py", answers_with_late_import("version_one"));
  app.write("version_one.py", "VERSION = 'one'\n");
  daemon.start();
  CHECK(daemon.get("/").body == "one");
  app.write("app.py", answers("two"));
  CHECK(daemon.wait_for_body("/", "two"));
  app.remove("version_one.py");
  CHECK(daemon.call("reload", R"({"app":"blog"})").ok());
  const Answer back = daemon.call("rollback", R"({"app":"blog","generation":1})");
  CHECK_MESSAGE(back.ok(), back.raw());
  CHECK(daemon.get("/").body == "one");
  CHECK(daemon.stop() == 0);
  daemon.start();
  CHECK(daemon.get("/").body == "one");
  CHECK(daemon.status("blog").has("/pinned_generation"));
}

TEST_CASE("with a Python that is none nothing is said to be served instead") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", answers("good"));
  daemon.start();
  CHECK(eventually([&] { return std::filesystem::exists(daemon.state_folder() + "/apps/blog/state.json"); }));
  CHECK(daemon.stop() == 0);
  app.write("app.py", answers("newer"));
  daemon.write_app_config("blog", app.path(), "python = \"/bin/ls\"");
  daemon.start();
  CHECK(daemon.wait_for_state("blog", "failed"));
  CHECK(daemon.log().find("which was active last") == std::string::npos);
  CHECK(daemon.call("generations", R"({"app":"blog"})").size("/generations") == 2);
}

TEST_CASE("a daemon that starts over broken code serves the generation that was active last") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", answers("good"));
  daemon.start();
  CHECK(daemon.get("/").body == "good");
  // What served is written down in the background, right after the switch.
  CHECK(eventually([&] { return std::filesystem::exists(daemon.state_folder() + "/apps/blog/state.json"); }));
  daemon.kill();
  app.write("app.py", kBroken);
  daemon.start();
  CHECK(daemon.wait_for_state("blog", "degraded"));
  CHECK(daemon.get("/").body == "good");
  CHECK(daemon.status("blog").has("/rejected"));
}
