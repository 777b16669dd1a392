// Apps of one host: what one of them costs the others when it keeps the GIL, crashes or leaks.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"
#include "tests/support/load_client.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <string>
#include <vector>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

pid_t host_of(const DaemonProcess& daemon, const std::string& app) {
  const Answer status = daemon.status(app);
  return status.has("/active/host_pid") ? static_cast<pid_t>(status.number("/active/host_pid")) : 0;
}

// Two apps in one host: "a" at /a, "b" at /b.
void share_a_host(DaemonProcess& daemon, const std::string& source_of_a, std::string_view toml_of_a = "") {
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhosts = 1\n");
  daemon.add_app("a", "routes = [\"/a\"]\n" + std::string(toml_of_a)).write("app.py", source_of_a);
  daemon.add_app("b", "routes = [\"/b\"]\nthreads = 2").write("app.py", answers("b"));
}

// An expression that does not give the GIL up before the sun burns out.
std::string hangs(std::string_view answer) {
  return "import re\n" +
         answers_after("environ['QUERY_STRING'] == 'hang' and re.match('(a+)+$', 'a' * 60 + 'b')", answer);
}

std::string python_text(const std::string& text) { return "'" + text + "'"; }

// Sends one request after the other and keeps the longest time without an answer.
class Watch {
 public:
  // `may_be`: statuses of calls that ran in a host that died.
  Watch(const DaemonProcess& daemon, std::string target, std::string body, std::vector<int> may_be = {})
      : load_(daemon.address(), std::move(target), 4,
              [this, body = std::move(body), may_be = std::move(may_be)](const HttpResponse& response,
                                                                         const std::string&) {
                if (std::count(may_be.begin(), may_be.end(), response.status) > 0) return std::string();
                const Clock::rep now = Clock::now().time_since_epoch().count();
                const Clock::rep gap = now - last_.exchange(now);
                Clock::rep longest = longest_.load();
                while (gap > longest && !longest_.compare_exchange_weak(longest, gap)) {
                }
                return response.body == body ? std::string()
                                             : std::to_string(response.status) + " " + response.body;
              }) {}

  LoadClient& load() { return load_; }
  std::chrono::milliseconds longest_gap() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::duration(longest_.load()));
  }

 private:
  std::atomic<Clock::rep> last_{Clock::now().time_since_epoch().count()};
  std::atomic<Clock::rep> longest_{0};
  LoadClient load_;
};

}  // namespace

TEST_CASE("promise 5: a call that keeps the GIL costs its neighbours seconds, no call, and is named") {
  if (python_version() == std::pair{3, 12}) return skip("3.12 runs each app in a process of its own");
  if (python_version() >= std::pair{3, 14}) return skip("no shared GIL");
  DaemonProcess daemon;
  share_a_host(daemon, hangs("a"));
  daemon.start();
  const pid_t before = host_of(daemon, "a");
  REQUIRE(host_of(daemon, "b") == before);
  Watch neighbour(daemon, "/b", "b");
  REQUIRE(eventually([&] { return neighbour.load().answered() > 20; }));
  HttpConnection stuck(daemon.address());
  stuck.send(get_request("/a?hang"));
  CHECK_MESSAGE(eventually([&] { return host_of(daemon, "b") != before; }), daemon.status("b").raw());
  const std::uint64_t answered = neighbour.load().answered();
  CHECK(eventually([&] { return neighbour.load().answered() > answered + 50; }));
  CHECK(neighbour.longest_gap() < patience() / 6);  // 5 s

  CHECK(host_of(daemon, "a") == before);  // it stays where its call is
  const Answer status = daemon.status("a");
  CHECK(status.text("/state") == "degraded");
  CHECK_MESSAGE(contains(status.text("/note"), "GET /a?hang of generation 1 keeps the GIL"), status.raw());
  CHECK(contains(daemon.call("why", R"({"app":"a"})").raw(), "GET /a?hang of generation 1 keeps the GIL"));
  CHECK(contains(daemon.call("why", R"({"app":"b"})").raw(), "because of a"));
  CHECK(daemon.logs("GET /a?hang of generation 1 keeps the GIL"));
  CHECK(contains(status.raw(), "moultctl restart a"));

  // Code that mends it goes live at once.
  daemon.tree("a").write("app.py", answers("mended"));
  CHECK(daemon.wait_for_body("/a", "mended"));
  CHECK(daemon.status("a").number("/counters/rejected") == 0);
  CHECK(daemon.status("a").text("/state") == "running");
  neighbour.load().stop();
  CHECK_MESSAGE(neighbour.load().failed() == 0, neighbour.load().failures());
  CHECK(daemon.status("b").number("/counters/errors_5xx") == 0);
}

TEST_CASE(
    "a call that keeps a GIL of its own is named, costs no neighbour anything, and its app can be mended") {
  if (python_version() < std::pair{3, 14}) return skip("no GIL of its own");
  DaemonProcess daemon;
  share_a_host(daemon, hangs("a"), "threads = 2\n");
  daemon.start();
  const pid_t before = host_of(daemon, "b");
  REQUIRE(host_of(daemon, "a") == before);
  Watch neighbour(daemon, "/b", "b");
  HttpConnection stuck(daemon.address());
  stuck.send(get_request("/a?hang"));
  CHECK(eventually([&] { return daemon.status("a").number("/calls/running") == 1; }));
  HttpConnection waits(daemon.address());
  waits.send(get_request("/a"));
  const auto note = [&] { return daemon.status("a").text("/note"); };
  CHECK_MESSAGE(eventually([&] { return contains(note(), "GET /a?hang of generation 1 keeps the GIL"); }),
                note());
  CHECK(daemon.status("a").text("/state") == "degraded");
  CHECK(daemon.status("b").text("/state") == "running");

  // What it could not begin is served by the code that mends it.
  daemon.tree("a").write("app.py", answers("mended"));
  CHECK(waits.read_response().body == "mended");
  CHECK(daemon.status("a").text("/state") == "running");
  neighbour.load().stop();
  CHECK_MESSAGE(neighbour.load().failed() == 0, neighbour.load().failures());
  CHECK(neighbour.longest_gap() < patience() / 30);  // 1 s
  CHECK(host_of(daemon, "b") == before);
}

TEST_CASE("an app that keeps the GIL of a host of its own can be mended, too") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("a");
  app.write("app.py", hangs("a"));
  daemon.start();
  HttpConnection stuck(daemon.address());
  stuck.send(get_request("/?hang"));
  CHECK(eventually([&] { return daemon.status("a").number("/calls/running") == 1; }));
  app.write("app.py", answers("mended"));
  CHECK(daemon.wait_for_body("/", "mended"));
  CHECK(daemon.status("a").number("/counters/rejected") == 0);
}

TEST_CASE(
    "code that is being loaded while a neighbour keeps the GIL is loaded elsewhere, and never rejected") {
  if (python_version() == std::pair{3, 12}) return skip("3.12 runs each app in a process of its own");
  if (python_version() >= std::pair{3, 14}) return skip("no shared GIL");
  DaemonProcess daemon;
  share_a_host(daemon, hangs("a"), "start_timeout = \"20s\"");
  daemon.start();
  const pid_t before = host_of(daemon, "b");
  HttpConnection stuck(daemon.address());
  stuck.send(get_request("/a?hang"));
  CHECK(eventually([&] { return daemon.status("a").number("/calls/running") == 1; }));
  daemon.tree("b").write("app.py", answers("b2"));  // nobody knows of the hang yet
  CHECK(daemon.wait_for_body("/b", "b2"));
  CHECK(host_of(daemon, "b") != before);
  CHECK(daemon.status("b").number("/counters/rejected") == 0);
  CHECK(daemon.status("b").text("/state") == "running");
}

TEST_CASE("the GIL comes back: the neighbours have left, what they left is retired, and the app serves on") {
  if (python_version() == std::pair{3, 12}) return skip("3.12 runs each app in a process of its own");
  if (python_version() >= std::pair{3, 14}) return skip("no shared GIL");
  DaemonProcess daemon;
  share_a_host(daemon,
               "import ctypes\n" +
                   answers_after("environ['QUERY_STRING'] and ctypes.PyDLL(None).usleep(4000000)", "a"));
  daemon.start();
  const pid_t before = host_of(daemon, "a");
  HttpConnection slow(daemon.address());
  slow.send(get_request("/a?slow"));
  CHECK(eventually([&] { return daemon.status("a").number("/calls/running") == 1; }));
  CHECK(daemon.get("/b").body == "b");
  CHECK(slow.read_response().body == "a");
  CHECK(host_of(daemon, "b") != before);
  CHECK(host_of(daemon, "a") == before);
  CHECK(daemon.get("/a").body == "a");
  CHECK(eventually([&] { return daemon.status("a").text("/state") == "running"; }));
  CHECK_MESSAGE(eventually([&] {
                  return contains(daemon.call("generations", R"({"app":"b"})").raw(), R"("retired")");
                }),
                daemon.call("generations", R"({"app":"b"})").raw());
  CHECK(daemon.logs("host answers again"));
  // Next time it is alone: nobody else notices.
  slow.send(get_request("/a?slow"));
  CHECK(daemon.get("/b").body == "b");
  CHECK(slow.read_response().body == "a");
}

TEST_CASE("promise 5: what crashes after its start, in a thread of its own, crashes alone from then on") {
  if (python_version() == std::pair{3, 12}) return skip("3.12 runs each app in a process of its own");
  DaemonProcess daemon;
  const std::string gate = daemon.folder() / "gate";
  share_a_host(daemon,
               "import ctypes, os, threading, time\n"
               "def crash():\n"
               "    while not os.path.exists(" +
                   python_text(gate) +
                   "): time.sleep(0.01)\n"
                   "    os.unlink(" +
                   python_text(gate) +
                   ")\n"
                   "    ctypes.string_at(0)\n"
                   "threading.Thread(target=crash, daemon=True).start()\n" +
                   answers("a"));
  daemon.start();
  const pid_t before = host_of(daemon, "b");
  REQUIRE(host_of(daemon, "a") == before);
  Watch neighbour(daemon, "/b", "b", {502});
  REQUIRE(eventually([&] { return neighbour.load().answered() > 20; }));
  // Each time once it serves: a crash before that is another case.
  const auto crash = [&](int deaths) {
    REQUIRE(daemon.wait_for_state("a", "running"));
    AppTree(daemon.folder().path()).touch("gate");
    REQUIRE(eventually([&] { return daemon.status("a").number("/counters/host_deaths") >= deaths; }));
  };
  for (int deaths = 1; deaths <= 3; ++deaths) crash(deaths);
  const pid_t after = host_of(daemon, "b");
  CHECK(after != before);
  crash(4);
  CHECK(host_of(daemon, "b") == after);  // it died once with the culprit
  CHECK(daemon.status("b").number("/counters/host_deaths") == 1);
  CHECK(neighbour.longest_gap() < patience() / 6);  // 5 s
  neighbour.load().stop();
  CHECK_MESSAGE(neighbour.load().failed() == 0, neighbour.load().failures());
  CHECK_MESSAGE(contains(daemon.status("a").raw(), "a thread of its own"), daemon.status("a").raw());
  CHECK(contains(daemon.call("why", R"({"app":"a"})").raw(), "its code crashed"));
  CHECK(contains(daemon.call("why", R"({"app":"b"})").raw(), "because of a"));
  CHECK(daemon.status("b").text("/state") == "running");
  CHECK(daemon.logs("its code crashed while no call of generation 1 ran"));
}

TEST_CASE("promise 5: seven saves that crash at import cost the neighbours one death, and the app one") {
  if (python_version() == std::pair{3, 12}) return skip("3.12 runs each app in a process of its own");
  DaemonProcess daemon;
  share_a_host(daemon, answers("a"));
  daemon.start();
  const pid_t before = host_of(daemon, "b");
  Watch neighbour(daemon, "/b", "b", {502});
  REQUIRE(eventually([&] { return neighbour.load().answered() > 20; }));
  for (int save = 1; save <= 7; ++save) {
    daemon.tree("a").write("app.py", "import ctypes\n# " + std::to_string(save) + "\nctypes.string_at(0)\n");
    REQUIRE_MESSAGE(eventually([&] { return daemon.status("a").number("/counters/rejected") == save; }),
                    daemon.status("a").raw());
    CHECK(daemon.wait_for_body("/a", "a"));  // the old code serves on, or again
  }
  CHECK(daemon.status("b").number("/counters/host_deaths") == 1);
  CHECK(daemon.status("a").number("/counters/host_deaths") == 1);
  CHECK(host_of(daemon, "b") != before);
  CHECK(neighbour.longest_gap() < patience() / 6);  // 5 s
  neighbour.load().stop();
  CHECK_MESSAGE(neighbour.load().failed() == 0, neighbour.load().failures());
  CHECK_MESSAGE(contains(daemon.status("a").raw(), "was loaded"), daemon.status("a").raw());
  daemon.tree("a").write("app.py", answers("mended"));
  CHECK(daemon.wait_for_body("/a", "mended"));
}

TEST_CASE("an app that crashes at its first import does not keep the others of its host from starting") {
  if (python_version() == std::pair{3, 12}) return skip("3.12 runs each app in a process of its own");
  DaemonProcess daemon;
  share_a_host(daemon, "import ctypes\nctypes.string_at(0)\n", "queue_timeout = \"300ms\"");
  daemon.add_app("c", "routes = [\"/c\"]").write("app.py", answers("c"));
  daemon.start_listening();
  CHECK(daemon.wait_for_body("/b", "b"));
  CHECK(daemon.wait_for_body("/c", "c"));
  CHECK(eventually([&] { return contains(daemon.status("a").raw(), "its code crashed while generation"); }));
  pid_t host = 0;  // b may have served before, in the host that a took down
  CHECK(eventually([&] {
    host = host_of(daemon, "b");
    return host != 0 && host_of(daemon, "c") == host;
  }));
  const std::string log = daemon.log();
  CHECK(eventually([&] { return daemon.log().size() > log.size() + 200; }));  // it goes on trying
  CHECK(host_of(daemon, "b") == host);
  daemon.tree("a").write("app.py", answers("mended"));
  CHECK(daemon.wait_for_body("/a", "mended"));
}

TEST_CASE("hosts that die again and again without a word: their apps are parted, and all serve") {
  if (python_version() == std::pair{3, 12}) return skip("3.12 runs each app in a process of its own");
  DaemonProcess daemon;
  share_a_host(daemon, answers("a"));
  daemon.start();
  for (int kill = 0; kill < 2; ++kill) {
    const pid_t host = host_of(daemon, "a");
    REQUIRE(host == host_of(daemon, "b"));
    ::kill(host, SIGKILL);
    REQUIRE(eventually([&] {
      const pid_t now = host_of(daemon, "a");
      return now != 0 && now != host && host_of(daemon, "b") != 0 && host_of(daemon, "b") != host;
    }));
  }
  CHECK(host_of(daemon, "a") != host_of(daemon, "b"));
  CHECK(daemon.get("/a").body == "a");
  CHECK(daemon.get("/b").body == "b");
  CHECK(daemon.logs("nobody knows who it was"));
}

TEST_CASE("descriptors that one app leaks cost its neighbour no change of code, and are said to be its own") {
  if (python_version() == std::pair{3, 12}) return skip("3.12 runs each app in a process of its own");
  DaemonProcess daemon;
  daemon.starter() = {"sh", "-c", "ulimit -n 400; exec \"$@\"", "sh"};
  share_a_host(daemon,
               "kept = []\n"
               "def leak():\n"
               "    while True: kept.append(open(__file__))\n"
               "def application(environ, start_response):\n"
               "    start_response('200 OK', [])\n"
               "    if environ['QUERY_STRING']:\n"
               "        try: leak()\n"
               "        except OSError: pass\n"
               "    return [b'a']\n");
  daemon.start();
  const pid_t before = host_of(daemon, "a");
  CHECK(daemon.get("/a?leak").body == "a");
  daemon.tree("b").write("app.py", answers("b2"));
  CHECK(daemon.wait_for_body("/b", "b2"));
  CHECK_MESSAGE(daemon.status("b").number("/counters/rejected") == 0, daemon.status("b").raw());
  CHECK_MESSAGE(eventually([&] { return host_of(daemon, "a") != before; }), daemon.status("a").raw());
  CHECK(host_of(daemon, "a") != host_of(daemon, "b"));
  CHECK(daemon.get("/a").body == "a");
  CHECK_MESSAGE(daemon.logs("it has no descriptor left (EMFILE)"), daemon.log());
  CHECK(daemon.logs("because of a"));
  CHECK(contains(daemon.status("a").raw(), "a/app.py"));
}
