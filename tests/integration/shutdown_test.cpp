// How the daemon ends: what it serves meanwhile, who is waited for and how long.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <string>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// "/wait" until the file `go` is there, "/hang" in C for good, "/events" for ever.
std::string waits(const std::string& go) {
  return "import ctypes, os, time\n"
         "def events():\n"
         "    while True:\n"
         "        yield b'data: x\\n\\n'\n"
         "        time.sleep(0.05)\n"
         "def application(environ, start_response):\n"
         "    path = environ['PATH_INFO']\n"
         "    if path == '/events':\n"
         "        start_response('200 OK', [('content-type', 'Text/Event-Stream; charset=utf-8')])\n"
         "        return events()\n"
         "    if path == '/hang':\n"
         "        ctypes.CDLL(None).sleep(600)\n"
         "    while path == '/wait' and not os.path.exists('" +
         go +
         "'):\n"
         "        time.sleep(0.02)\n"
         "    start_response('200 OK', [])\n"
         "    return [b'done']\n";
}

struct Two {
  DaemonProcess daemon;
  std::string go = daemon.folder() / "go";
  explicit Two(const std::string& slow_toml = "") {
    daemon.add_app("slow", "routes = [\"/slow\"]\nthreads = 4\n" + slow_toml).write("app.py", waits(go));
    daemon.add_app("fast", "routes = [\"/\"]\n").write("app.py", answers("fast"));
    daemon.start();
  }
  bool runs(int calls) { return daemon.status("slow").number("/calls/running") == calls; }
};

}  // namespace

TEST_CASE("while a call of one app is waited for, all apps serve on, and none is refused") {
  Two two;
  HttpConnection waiting(two.daemon.address());
  waiting.send(get_request("/slow/wait"));
  REQUIRE(eventually([&] { return two.runs(1); }));
  HttpConnection kept(two.daemon.address());
  kept.send(get_request("/"));
  CHECK(kept.read_response().body == "fast");
  two.daemon.send_signal(SIGTERM);
  REQUIRE(eventually([&] { return contains(two.daemon.log(), "stopping: calls in flight end first"); }));
  kept.send(get_request("/"));
  const HttpResponse last = kept.read_response();
  CHECK(last.body == "fast");
  CHECK(last.header("Connection") == "close");
  for (int i = 0; i < 20; ++i) {
    CHECK(two.daemon.get("/").body == "fast");
    CHECK(two.daemon.get("/slow/").body == "done");
  }
  const AppTree go(two.daemon.folder().path());
  go.write("go", "");
  CHECK(waiting.read_response().body == "done");
  CHECK(two.daemon.wait_for_exit() == 0);
}

TEST_CASE("each app has its own drain_timeout, and who is cut gets a 504") {
  Two two("drain_timeout = \"1s\"\n");
  HttpConnection waiting(two.daemon.address());
  waiting.send(get_request("/slow/wait"));
  HttpConnection hanging(two.daemon.address());
  hanging.send(get_request("/slow/hang"));
  REQUIRE(eventually([&] { return two.runs(2); }));
  const auto before = std::chrono::steady_clock::now();
  two.daemon.send_signal(SIGTERM);
  CHECK(waiting.read_response().status == 504);
  CHECK(hanging.read_response().status == 504);
  CHECK(two.daemon.wait_for_exit() == 0);
  // 1 s for the calls, 2 s for a host whose thread does not come back, 5 minutes of the other app's.
  const auto took = std::chrono::steady_clock::now() - before;
  CHECK(took >= 1s);
  CHECK(took < patience());
}

TEST_CASE("a stream of events holds nothing up at the end, and is ended whole") {
  Two two;
  HttpConnection stream(two.daemon.address());
  stream.send(get_request("/slow/events"));
  CHECK(stream.read_head().status == 200);
  CHECK(stream.read_chunk() == "data: x\n\n");
  two.daemon.send_signal(SIGTERM);
  std::string chunk = "data";
  while (!chunk.empty()) chunk = stream.read_chunk();  // "" is the end of a whole answer
  CHECK(stream.ends());
  CHECK(two.daemon.wait_for_exit() == 0);
  CHECK_FALSE(contains(two.daemon.log(), "outlived drain_timeout"));
}
