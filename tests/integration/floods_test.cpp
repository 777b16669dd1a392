// One app that floods the daemon, and one beside it that is served as ever.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"
#include "tests/support/load_client.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Two apps in hosts of their own, so that nothing but the daemon is shared.
struct Neighbours {
  Neighbours() : loud(daemon.add_app("loud", "routes = [\"/loud\"]\nisolation = \"process\"")) {
    daemon.add_app("quiet", "routes = [\"/quiet\"]").write("app.py", answers("quiet"));
  }

  // The longest of 200 answers of the quiet one.
  std::chrono::milliseconds longest() const {
    std::chrono::milliseconds longest{};
    for (int i = 0; i < 200; ++i) {
      const auto began = Clock::now();
      CHECK(daemon.get("/quiet").body == "quiet");
      longest =
          std::max(longest, std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began));
    }
    return longest;
  }
  void check_quiet() const {
    CHECK(longest() < patience() / 20);
    CHECK(daemon.ctl({"list"}).status == 0);
  }

  DaemonProcess daemon;
  AppTree loud;
};

}  // namespace

TEST_CASE("a child that writes without end keeps no neighbour waiting, and is cut down in the app's log") {
  Neighbours both;
  SUBCASE("in a process of its own") {}
  SUBCASE("in a shared host") {
    both.daemon.write_app_config("loud", both.loud.path(), "routes = [\"/loud\"]");
  }
  both.loud.write("app.py", "import subprocess\nsubprocess.Popen(['yes', 'I flood'])\n" + answers("loud"));
  both.daemon.start();
  CHECK(both.daemon.get("/loud").body == "loud");
  both.check_quiet();
  CHECK(eventually([&] { return contains(both.daemon.app_log("loud"), "lines of output dropped here"); }));
  CHECK(contains(both.daemon.app_log("loud"), "[1] stderr: I flood"));
  CHECK_FALSE(contains(both.daemon.log(), "I flood"));
}

TEST_CASE("an app that asks for reloads without end keeps no neighbour waiting") {
  Neighbours both;
  both.loud.write("app.py",
                  "import moult, threading\n"
                  "def ask():\n    while True: moult.reload()\n"
                  "threading.Thread(target=ask, daemon=True).start()\n" +
                      answers("loud"));
  both.daemon.start();
  both.check_quiet();
  CHECK(eventually([&] { return contains(both.daemon.log(), "of apps dropped: more than 50 in a second"); }));
  both.loud.write("app.py", answers("calm"));
  CHECK(both.daemon.wait_for_body("/loud", "calm"));
}

TEST_CASE("lines of children stand in the log of their app, by generation") {
  DaemonProcess daemon;
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhosts = 1\n");
  const auto says = [](const std::string& what) {
    return "import subprocess\n" + answers_after("subprocess.run(['echo', 'child of " + what + "'])", what);
  };
  const AppTree one = daemon.add_app("one", "routes = [\"/one\"]");
  const AppTree two = daemon.add_app("two", "routes = [\"/two\"]");
  one.write("app.py", says("one"));
  two.write("app.py", says("two"));
  daemon.start();
  CHECK(daemon.get("/one").body == "one");
  CHECK(daemon.get("/two").body == "two");
  one.write("app.py", says("other"));
  CHECK(daemon.wait_for_body("/one", "other"));
  CHECK(eventually([&] { return contains(daemon.app_log("one"), "[2] stderr: child of other"); }));
  CHECK(contains(daemon.app_log("one"), "[1] stderr: child of one"));
  CHECK(eventually([&] { return contains(daemon.app_log("two"), "[1] stderr: child of two"); }));
  CHECK_FALSE(contains(daemon.app_log("one"), "of two"));
  CHECK_FALSE(contains(daemon.log(), "child of"));
}

TEST_CASE("a folder without code is answered for at once, with a page that says so") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("empty");
  SUBCASE("nothing in it") {}
  SUBCASE("a README") { app.write("README.md", "To come.\n"); }
  daemon.start();
  const auto began = Clock::now();
  const HttpResponse page = daemon.get("/");
  CHECK(Clock::now() - began < patience() / 5);
  CHECK(page.status == 503);
  INFO(page.body);
  CHECK(contains(page.body, "moultctl status empty"));
  CHECK(contains(daemon.status("empty").raw(), "app.py: No such file or directory"));
  app.write("app.py", answers("code"));
  CHECK(daemon.wait_for_body("/", "code"));
}
