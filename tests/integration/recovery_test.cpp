// Deaths and hangs: what a killed process, a stuck thread or a crashing extension costs, and how the
// apps come back.

#include "tests/integration/extensions.h"
#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"
#include "tests/support/load_client.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <string>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* kBroken = "def application(environ, start_response:\n    pass\n";

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

pid_t host_of(const DaemonProcess& daemon, const std::string& app) {
  const Answer status = daemon.status(app);
  return status.has("/active/host_pid") ? static_cast<pid_t>(status.number("/active/host_pid")) : 0;
}

bool is_alive(pid_t pid) { return ::kill(pid, 0) == 0; }

// An app.py that answers with what the function answer() of an extension gives.
std::string answers_with(const std::string& extension) {
  return "import " + extension +
         "\n"
         "def application(environ, start_response):\n"
         "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
         "    return [str(" +
         extension + ".answer()).encode()]\n";
}

}  // namespace

TEST_CASE(
    "promise 5: hosts killed under load cost calls in flight alone, and code on the disk may be broken") {
  constexpr int kKills = 3;
  constexpr int kThreads = 2;
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "threads = " + std::to_string(kThreads));
  app.write("app.py", answers_after("time.sleep(0.005)", "good"));
  daemon.start();
  app.write("app.py", kBroken);
  REQUIRE(daemon.wait_for_state("blog", "degraded"));

  std::atomic<int> lost{0};
  LoadClient load(daemon.address(), "/", 12, [&](const HttpResponse& response, const std::string&) {
    if (response.status == 502) ++lost;
    const bool is_right = response.status == 502 || (response.status == 200 && response.body == "good");
    return is_right ? "" : std::to_string(response.status) + " " + response.body;
  });
  for (int i = 1; i <= kKills; ++i) {
    const pid_t host = host_of(daemon, "blog");
    REQUIRE(host > 0);
    const std::uint64_t before = load.answered();
    REQUIRE(eventually([&] { return load.answered() > before + 50; }));
    ::kill(host, SIGKILL);
    REQUIRE_MESSAGE(eventually([&] {
                      const pid_t now = host_of(daemon, "blog");
                      return now > 0 && now != host;
                    }),
                    daemon.status("blog").raw());
    CHECK(daemon.status("blog").number("/counters/host_deaths") == i);
  }
  CHECK(daemon.wait_for_body("/", "good"));
  load.stop();
  CHECK_MESSAGE(load.failed() == 0, load.failures());
  CHECK(lost >= 1);
  CHECK(lost <= kKills * kThreads);
}

TEST_CASE("promise 5: a safe call whose host dies is sent again when the app allows it") {
  DaemonProcess daemon;
  const std::string gate = daemon.folder() / "gate";
  daemon.add_app("blog", "retry_safe = true")
      .write("app.py", answers_after("while not os.path.exists('" + gate + "'): time.sleep(0.01)", "again"));
  daemon.start();
  const pid_t host = host_of(daemon, "blog");
  REQUIRE(host > 0);
  HttpConnection safe(daemon.address());
  safe.send(get_request("/"));
  HttpConnection unsafe(daemon.address());
  unsafe.send(post_request("/", "x"));
  CHECK(eventually([&] { return daemon.status("blog").number("/calls/running") == 2; }));
  ::kill(host, SIGKILL);
  CHECK(unsafe.read_response().status == 502);
  AppTree(daemon.folder().path()).touch("gate");
  CHECK(safe.read_response().body == "again");
  CHECK(daemon.status("blog").number("/counters/retried") == 1);
}

TEST_CASE("promise 5 and 6: calls that hang in C are answered with 504, and the app gets its workers back") {
  DaemonProcess daemon;
  daemon
      .add_app("stuck",
               "threads = 1\nqueue_timeout = \"1s\"\ncall_timeout = \"300ms\"\nretire_timeout = \"1s\"")
      .write(
          "app.py",
          "import threading\nlock = threading.Lock()\n" +
              answers_after("environ['PATH_INFO'] == '/lock' and [lock.acquire(), lock.acquire()]", "free"));
  daemon.add_app("other", "routes = [\"/other\"]").write("app.py", answers("other"));
  daemon.start();
  CHECK(daemon.get("/lock").status == 504);
  CHECK(daemon.get("/other").body == "other");
  CHECK(daemon.wait_for_body("/", "free"));
  CHECK(daemon.get("/other").body == "other");
}

TEST_CASE("promise 5 and 6: an import that hangs in C is rejected, and its host goes in the end") {
  DaemonProcess daemon;
  const AppTree app =
      daemon.add_app("blog", "start_timeout = \"3s\"\nretire_timeout = \"500ms\"\nkeep_previous = 0");
  app.write("app.py", answers("old"));
  daemon.start();
  const pid_t before = host_of(daemon, "blog");
  app.write("app.py", "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()\n");
  CHECK(daemon.wait_for_state("blog", "degraded"));
  CHECK(daemon.status("blog").text("/rejected/stage") == "timeout");
  CHECK(daemon.get("/").body == "old");
  if (has_subinterpreters()) {
    CHECK_MESSAGE(eventually([&] { return !is_alive(before); }), daemon.call("hosts").raw());
  } else {
    CHECK(is_alive(before));  // the attempt had a process of its own
  }
  CHECK(daemon.get("/").body == "old");
  app.write("app.py", answers("mended"));
  CHECK(daemon.wait_for_body("/", "mended"));
}

TEST_CASE("promise 1 and 6: a call that hangs in C past drain_timeout is given up, and its host replaced") {
  DaemonProcess daemon;
  const AppTree app =
      daemon.add_app("blog", "drain_timeout = \"300ms\"\nretire_timeout = \"500ms\"\nkeep_previous = 0");
  app.write("app.py",
            "import threading\nlock = threading.Lock()\n" +
                answers_after("environ['PATH_INFO'] == '/lock' and [lock.acquire(), lock.acquire()]", "old"));
  daemon.start();
  const pid_t before = host_of(daemon, "blog");
  HttpConnection stuck(daemon.address());
  stuck.send(get_request("/lock"));
  CHECK(eventually([&] { return daemon.status("blog").number("/calls/running") == 1; }));
  LoadClient load(daemon.address(), "/", 4, [](const HttpResponse& response, const std::string&) {
    const bool is_right = response.body == "old" || response.body == "new";
    return is_right ? "" : std::to_string(response.status) + " " + response.body;
  });
  app.write("app.py", answers("new"));
  CHECK(stuck.read_response().status == 504);
  CHECK_MESSAGE(eventually([&] { return !is_alive(before); }), daemon.call("hosts").raw());
  load.stop();
  CHECK_MESSAGE(load.failed() == 0, load.failures());
  CHECK(daemon.get("/").body == "new");
  CHECK(daemon.status("blog").number("/counters/drain_killed") == 1);
}

TEST_CASE("a killed daemon leaves no host behind, also when its calls hang") {
  DaemonProcess daemon;
  daemon.add_app("blog").write("app.py",
                               "import threading\nlock = threading.Lock()\nlock.acquire()\n" +
                                   answers_after("environ['PATH_INFO'] == '/' or lock.acquire()", "up"));
  daemon.start();
  HttpConnection stuck(daemon.address());
  stuck.send(get_request("/lock"));
  CHECK(eventually([&] { return daemon.status("blog").number("/calls/running") == 1; }));
  const pid_t host = host_of(daemon, "blog");
  daemon.kill();
  CHECK(eventually([&] { return daemon.processes().empty(); }));
  CHECK_FALSE(is_alive(host));
  daemon.start();
  CHECK(daemon.get("/").body == "up");
}

TEST_CASE("an extension that refuses sub-interpreters moves its app to a process, and that is remembered") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("ext", "routes = [\"/ext\"]");
  copy_extension("single_phase", app);
  app.write("app.py", answers_with("single_phase"));
  daemon.add_app("plain", "routes = [\"/plain\"]").write("app.py", answers("plain"));
  daemon.start();
  REQUIRE_MESSAGE(daemon.get("/ext").body == "42", daemon.status("ext").raw());
  CHECK(daemon.status("ext").text("/isolation") == "process");
  CHECK(daemon.status("ext").number("/counters/rejected") == 0);
  if (has_subinterpreters()) {
    CHECK(contains(daemon.call("compat", R"({"app":"ext"})").text("/reason"), "single_phase"));
    CHECK(daemon.status("plain").text("/isolation") != "process");
  }
  CHECK(daemon.call("reload", R"({"app":"ext"})").text("/outcome") == "switched");
  CHECK(daemon.get("/ext").body == "42");

  if (has_subinterpreters()) CHECK(daemon.logs("moved to a process of its own"));
  CHECK(daemon.stop() == 0);
  daemon.start();
  CHECK(daemon.get("/ext").body == "42");
  CHECK(daemon.status("ext").text("/isolation") == "process");
  CHECK_FALSE(contains(daemon.log(), "moved to a process of its own"));  // it is known by now
}

TEST_CASE("promise 5: an extension that crashes in a sub-interpreter moves its app to a process") {
  DaemonProcess daemon;
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhosts = 1\n");
  const AppTree app = daemon.add_app("ext", "routes = [\"/ext\"]");
  app.write("app.py", answers("harmless"));
  daemon.add_app("plain", "routes = [\"/plain\"]").write("app.py", answers("plain"));
  daemon.start();
  copy_extension("crashes_outside_main", app);
  app.write("app.py", answers_with("crashes_outside_main"));
  CHECK_MESSAGE(daemon.wait_for_body("/ext", "42"), daemon.status("ext").raw());
  CHECK(daemon.status("ext").text("/isolation") == "process");
  CHECK(daemon.wait_for_body("/plain", "plain"));
  CHECK(daemon.is_running());
}

TEST_CASE("isolation = interpreter rejects an extension that refuses, and names it") {
  if (!has_subinterpreters()) {
    skip("3.12 is asked for sub-interpreters without its own check of extensions");
    return;
  }
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("ext", "isolation = \"interpreter\"");
  app.write("app.py", answers("plain"));
  daemon.start();
  copy_extension("single_phase", app);
  app.write("app.py", answers_with("single_phase"));
  CHECK(daemon.wait_for_state("ext", "degraded"));
  CHECK(contains(daemon.status("ext").text("/rejected/error"), "single_phase"));
  CHECK(daemon.get("/").body == "plain");
}
