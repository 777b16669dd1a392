// What brings an app back, or lets it go: dead and stuck hosts, roll-backs that are overtaken, damaged
// state, ends that are asked for twice.

#include "tests/integration/gate.h"
#include "tests/integration/sources.h"
#include "tests/support/load_client.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>

#include <csignal>
#include <string>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* kBlog = R"({"app":"blog"})";
constexpr const char* kBroken = "1 / 0\n";

// Not 0, which is this very program (kill(2)).
void kill_process(pid_t pid) {
  REQUIRE(pid > 0);
  ::kill(pid, SIGKILL);
}

bool is_alive(pid_t pid) { return ::kill(pid, 0) == 0; }

// An app "blog" that answers "one", as it was written before the start.
struct Blog {
  DaemonProcess daemon;
  AppTree app;
  explicit Blog(std::string_view toml = "") : app(daemon.add_app("blog", toml)) {
    app.write("app.py", answers("one"));
    daemon.start();
  }
  std::string body() const { return daemon.get("/").body; }
  std::string state() const { return daemon.status("blog").text("/state"); }
  bool change(std::string_view answer) const {
    app.write("app.py", answers(answer));
    return daemon.wait_for_body("/", answer);
  }
  Answer call(std::string_view method) const { return daemon.call(method, kBlog); }
  void kill_host() const { kill_process(host_of(daemon, "blog")); }
};

std::string request_line(int id, const std::string& method, const std::string& parameters) {
  return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"method":)" + json_text(method) +
         R"(,"params":)" + parameters + "}";
}

}  // namespace

TEST_CASE("one of two hosts of an app is killed under load: the other serves on until both are back") {
  DaemonProcess daemon;
  const Gate loading(daemon, "loading");
  const Gate slow(daemon, "slow");
  loading.open();
  daemon.add_app("blog", "isolation = \"process\"\ninterpreters = 2\nthreads = 2")
      .write("app.py", loading.at_import() + tells_pid(slow.expression()));
  daemon.start();
  const pid_t dead = host_of(daemon, "blog");
  HttpConnection in_dead(daemon.address());
  in_dead.send(get_request("/slow"));
  REQUIRE(slow.is_reached(1));
  HttpConnection in_other(daemon.address());
  in_other.send(get_request("/slow"));  // the less busy one gets it
  REQUIRE(slow.is_reached(2));
  LoadClient load(daemon.address(), "/", 4, [](const HttpResponse& response, const std::string&) {
    return response.status == 200 ? "" : std::to_string(response.status);
  });
  REQUIRE(eventually([&] { return load.answered() > 20; }));
  loading.close();
  kill_process(dead);
  CHECK(in_dead.read_response().status == 502);
  CHECK(loading.is_reached(3));  // it is being made again, and does not get further
  const std::uint64_t before = load.answered();
  CHECK(eventually([&] { return load.answered() > before + 50; }));
  CHECK(daemon.generation("blog") == 1);
  slow.open();
  const std::string other = in_other.read_response().body;
  CHECK_FALSE(other.empty());
  CHECK(other != std::to_string(dead));
  loading.open();
  CHECK(eventually([&] { return daemon.status("blog").text("/state") == "running"; }));
  CHECK(daemon.status("blog").number("/workers/total") == 4);
  CHECK(eventually([&] { return daemon.call("hosts").size("/hosts") == 2; }));
  load.stop();
  // One worker of the dead host was left for the load.
  CHECK_MESSAGE(load.failed() <= 1, load.failures());
  CHECK_MESSAGE((load.failed() == 0 || load.failures().find(": 502") != std::string::npos), load.failures());
}

TEST_CASE(
    "a host that dies during a check costs the check alone, and one during the pause holds nothing up") {
  Blog blog;
  const Gate loading(blog.daemon, "loading");
  CHECK(blog.call("freeze").ok());
  blog.app.write("app.py", loading.at_import() + answers("next"));
  auto check = call_meanwhile(blog.daemon, "check");
  REQUIRE(loading.is_reached());
  blog.kill_host();
  CHECK(check.get().error_code() == "interrupted");
  CHECK(blog.body() == "one");  // it waited for the new host
  CHECK(blog.state() == "running");
  loading.open();

  blog.kill_host();  // the second death in a row: a pause
  CHECK(eventually([&] { return blog.state() == "backoff"; }));
  CHECK(blog.call("check").text("/outcome") == "ok");
  CHECK(blog.daemon.wait_for_state("blog", "running"));
  CHECK(blog.body() == "one");
}

// A lock that nobody gives back: no exception reaches the thread.
constexpr const char* kBlocks =
    "[lock.acquire() for lock in [__import__('_thread').allocate_lock()] for _ in range(2)]";

TEST_CASE("a call that cannot be interrupted gets 504, and a new host serves the next ones") {
  DaemonProcess daemon;
  daemon.add_app("blog", "threads = 1\ncall_timeout = \"1s\"").write("app.py", tells_pid(kBlocks));
  daemon.start();
  const std::string stuck = daemon.get("/").body;
  CHECK(daemon.get("/slow").status == 504);
  for (int i = 0; i < 3; ++i) {
    const HttpResponse next = daemon.get("/");
    CHECK(next.status == 200);
    CHECK(next.body != stuck);
  }
  CHECK(daemon.logs("a call of blog cannot be ended"));
}

TEST_CASE("an app is removed while the body of a request comes in: 503, and the daemon lives") {
  Blog blog("routes = [\"/blog\"]");
  blog.daemon.add_app("other", "routes = [\"/other\"]").write("app.py", answers("other"));
  CHECK(blog.daemon.wait_for_body("/other", "other"));
  HttpConnection upload(blog.daemon.address());
  upload.send("POST /blog HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + std::string(100, 'x'));
  CHECK(blog.daemon.get("/blog").body == "one");  // sent later, so the head above has been read
  blog.daemon.remove_app_config("blog");
  CHECK(eventually([&] { return blog.daemon.call("list").size("/apps") == 1; }));
  // Nothing of it is left, also not in a host that it shared.
  CHECK(eventually([&] { return blog.daemon.call("hosts").raw().find("blog") == std::string::npos; }));
  // A new app, likely in the memory of the one that is gone, must not get its request.
  blog.daemon.add_app("next", "routes = [\"/next\"]").write("app.py", answers("next"));
  CHECK(blog.daemon.wait_for_body("/next", "next"));
  upload.send(std::string(900, 'x'));
  CHECK(upload.read_response().status == 503);
  CHECK(blog.daemon.get("/other").body == "other");
  CHECK(blog.daemon.stop().value_or(-1) == 0);
}

TEST_CASE("a roll-back that a change overtakes pins nothing, and says so") {
  DaemonProcess daemon;
  const Gate loading(daemon, "loading");
  loading.open();
  const AppTree app = daemon.add_app("blog", "keep_previous = 0");
  app.write("app.py", loading.at_import() + answers("one"));
  daemon.start();
  app.write("app.py", answers("two"));
  REQUIRE(daemon.wait_for_body("/", "two"));
  loading.close();
  auto rollback = call_meanwhile(daemon, "rollback");
  REQUIRE(loading.is_reached(2));
  app.write("app.py", answers("three"));
  CHECK(rollback.get().error_code() == "interrupted");
  CHECK(daemon.wait_for_body("/", "three"));
  CHECK_FALSE(daemon.status("blog").has("/pinned_generation"));
  CHECK(daemon.stop().value_or(-1) == 0);
  daemon.start();
  CHECK(daemon.get("/").body == "three");
}

TEST_CASE("new settings leave a pinned app and a frozen one the code that they serve") {
  Blog blog;
  const auto set_threads = [&](int threads) {
    blog.daemon.write_app_config("blog", blog.app.path(), "threads = " + std::to_string(threads));
    return eventually([&] { return blog.daemon.status("blog").number("/workers/total") == threads; });
  };
  REQUIRE(blog.change("two"));
  REQUIRE(blog.call("rollback").ok());
  CHECK(set_threads(2));
  CHECK(blog.body() == "one");
  CHECK(blog.daemon.status("blog").has("/pinned_generation"));
  REQUIRE(blog.call("thaw").ok());
  REQUIRE(blog.daemon.wait_for_body("/", "two"));
  REQUIRE(blog.call("freeze").ok());
  blog.app.write("app.py", answers("half done"));
  CHECK(eventually([&] { return count_events(blog.daemon, "change.ignored") > 0; }));
  CHECK(set_threads(3));
  CHECK(blog.body() == "two");
}

TEST_CASE("a second roll-back after a restart of the daemon still ignores the same content") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", answers_with_late_import("late"));
  app.write("late.py", "VERSION = 'one'\n");
  daemon.start();
  for (const std::string version : {"two", "bad"}) {
    app.write("late.py", "VERSION = '" + version + "'\n");
    REQUIRE(daemon.wait_for_body("/", version));
  }
  REQUIRE(daemon.call("rollback", kBlog).ok());
  REQUIRE(daemon.stop().value_or(-1) == 0);
  daemon.start();
  REQUIRE(daemon.get("/").body == "two");
  REQUIRE(daemon.call("rollback", R"({"app":"blog","generation":1})").ok());
  app.write("late.py", "VERSION = 'bad'\n");
  CHECK(eventually([&] { return count_events(daemon, "change.ignored") > 0; }));
  CHECK(daemon.get("/").body == "one");
  CHECK(daemon.status("blog").has("/pinned_generation"));
}

TEST_CASE("a damaged state file does not keep the app down") {
  Blog blog;
  const std::string no_snapshot(64, '0');
  const std::string mark = R"({"generation":2,"snapshot":")" + no_snapshot + R"(","disk":""})";
  const std::string damaged[] = {
      R"({"version":1,"next_gen)",
      R"({"version":1,"next_generation":-5})",
      R"({"version":1,"next_generation":3,"active":)" + mark + R"(,"pinned":)" + mark + "}",
  };
  for (const std::string& text : damaged) {
    CAPTURE(text);
    REQUIRE(blog.daemon.stop().value_or(-1) == 0);
    AppTree(blog.daemon.state_folder()).write("apps/blog/state.json", text);
    blog.daemon.start();
    CHECK(blog.daemon.wait_for_state("blog", "running"));
    CHECK(blog.body() == "one");
    CHECK(blog.daemon.generation("blog") < 10);
    CHECK(blog.change("two"));
    CHECK(blog.change("one"));
  }
}

TEST_CASE("a recycle during an attempt that is rejected still empties the host") {
  Blog blog;
  const Gate loading(blog.daemon, "loading");
  const pid_t before = host_of(blog.daemon, "blog");
  blog.app.write("app.py", loading.at_import() + kBroken);
  REQUIRE(loading.is_reached());
  auto recycled = call_meanwhile(blog.daemon, "recycle", "{}");
  CHECK(eventually([&] { return blog.daemon.call("hosts").text("/hosts/0/state") == "recycling"; }));
  loading.open();
  const Answer answer = recycled.get();
  CHECK_MESSAGE(answer.ok(), answer.raw());
  CHECK(eventually([&] { return !is_alive(before); }));
  CHECK(blog.body() == "one");
  CHECK(blog.state() == "degraded");
}

TEST_CASE("degraded stays while the code on the disk is broken, over a recycle and the death of a host") {
  Blog blog;
  blog.app.write("app.py", kBroken);
  REQUIRE(blog.daemon.wait_for_state("blog", "degraded"));
  CHECK(blog.daemon.call("recycle").ok());
  CHECK(blog.state() == "degraded");
  CHECK(blog.body() == "one");
  blog.kill_host();
  CHECK(eventually([&] {
    const Answer status = blog.daemon.status("blog");
    return status.has("/active") && status.text("/active/cause") == "recovery";
  }));
  CHECK(blog.state() == "degraded");
  CHECK(blog.daemon.status("blog").has("/rejected"));
  CHECK(blog.body() == "one");
}

TEST_CASE("a file that was broken and holds its old content again leaves nothing degraded") {
  Blog blog;
  blog.app.write("part.py", "N = 1\n");
  blog.app.write("app.py", "import part\n" + answers("two"));
  REQUIRE(blog.daemon.wait_for_body("/", "two"));
  REQUIRE(blog.daemon.wait_for_state("blog", "running"));
  const int serving = blog.daemon.generation("blog");
  blog.app.write("part.py", kBroken);
  REQUIRE(blog.daemon.wait_for_state("blog", "degraded"));
  blog.app.write("part.py", "N = 1\n");
  CHECK(blog.daemon.wait_for_state("blog", "running"));
  CHECK_FALSE(blog.daemon.status("blog").has("/rejected"));
  CHECK(blog.daemon.generation("blog") == serving);
}

TEST_CASE("an app that crashes a shared host at its import sends no neighbour to a process of its own") {
  if (python_version() == std::pair{3, 12}) {
    skip("3.12 runs each app in a process of its own");
    return;
  }
  DaemonProcess daemon;
  const Gate loading(daemon, "loading");
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhosts = 1\n");
  for (const std::string name : {"crash", "idle", "busy"}) {
    daemon.add_app(name, "routes = [\"/" + name + "\"]").write("app.py", answers(name));
  }
  daemon.start();
  REQUIRE(host_of(daemon, "idle") == host_of(daemon, "crash"));
  REQUIRE(host_of(daemon, "busy") == host_of(daemon, "crash"));
  daemon.tree("busy").write("app.py", loading.at_import() + answers("busy again"));
  REQUIRE(loading.is_reached());
  daemon.tree("crash").write("app.py", "import os\nos.abort()\n");
  CHECK(daemon.wait_for_state("crash", "degraded"));
  CHECK(daemon.get("/crash").body == "crash");
  loading.open();
  CHECK(daemon.wait_for_body("/busy", "busy again"));
  CHECK(daemon.wait_for_body("/idle", "idle"));
  for (const std::string name : {"idle", "busy"}) {
    CHECK_FALSE(daemon.status(name).text("/isolation") == "process");
  }
  CHECK(daemon.call("reload", R"({"app":"busy"})").ok());
  CHECK_FALSE(daemon.status("busy").text("/isolation") == "process");
}

TEST_CASE(
    "SIGTERM twice ends the daemon within seconds, also with calls in flight and half of a request read") {
  DaemonProcess daemon;
  const Gate slow(daemon, "slow");
  daemon.add_app("blog").write("app.py", tells_pid("(" + slow.expression() + ")"));
  daemon.start();
  HttpConnection running(daemon.address());
  running.send(get_request("/slow"));
  HttpConnection half(daemon.address());
  half.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf");
  REQUIRE(slow.is_reached());
  CHECK(daemon.get("/").status == 200);  // sent later, so the head above has been read
  daemon.send_signal(SIGTERM);
  CHECK(eventually([&] { return daemon.log().find("calls in flight end first") != std::string::npos; }));
  const auto began = Clock::now();
  daemon.send_signal(SIGTERM);
  CHECK(daemon.wait_for_exit().value_or(-1) == 0);
  CHECK(Clock::now() - began < patience() / 3);
  CHECK(eventually([&] { return daemon.processes().empty(); }));
}

TEST_CASE("start and stop at once are both answered") {
  Blog blog;
  REQUIRE(blog.call("stop").ok());
  ControlClient client(blog.daemon.socket_path());
  std::string all =
      client.send_line(request_line(7, "start", kBlog) + "\n" + request_line(8, "stop", kBlog)).raw();
  // Answers come one for each line that is sent.
  CHECK_MESSAGE(eventually([&] {
                  all += client.send_line(request_line(9, "ping", "{}")).raw();
                  return all.find("\"id\":7") != std::string::npos &&
                         all.find("\"id\":8") != std::string::npos;
                }),
                all);
  CHECK(eventually([&] { return blog.state() == "stopped"; }));
  CHECK(blog.call("start").text("/outcome") == "started");
  CHECK(blog.body() == "one");
}

TEST_CASE("thaw of a pinned app says thawed, and goes back to the code on the disk") {
  Blog blog;
  REQUIRE(blog.change("two"));
  REQUIRE(blog.call("rollback").ok());
  CHECK(blog.body() == "one");
  CHECK(blog.call("thaw").text("/outcome") == "thawed");
  CHECK(blog.daemon.wait_for_body("/", "two"));
  CHECK_FALSE(blog.daemon.status("blog").has("/pinned_generation"));
  CHECK(blog.call("thaw").text("/outcome") == "unchanged");
}

TEST_CASE("a shutdown right after a recycle ends the daemon with status 0, and whoever waits is told") {
  Blog blog;
  ControlClient client(blog.daemon.socket_path());
  const Answer shutdown =
      client.send_line(request_line(1, "wait", R"({"app":"blog","until":"generation","generation":99})") +
                       "\n" + request_line(2, "recycle", "{}") + "\n" + request_line(3, "shutdown", "{}"));
  CHECK(shutdown.text("/outcome") == "stopping");
  CHECK(blog.daemon.wait_for_exit().value_or(-1) == 0);
  CHECK(blog.daemon.processes().empty());
  // Nobody reads what is sent now; the other two answers have come.
  const std::string others = client.send_line("").raw() + client.send_line("").raw();
  CHECK_MESSAGE(others.find("\"id\":2") != std::string::npos, others);
  CHECK_MESSAGE(others.find("the daemon stops") != std::string::npos, others);
}

TEST_CASE("connections that came by a listener which was removed are served until they close") {
  DaemonProcess daemon;
  const std::string door = "unix:" + (daemon.folder() / "web.sock");
  daemon.write_daemon_config("listen = [\"127.0.0.1:0\", " + json_text(door) + "]\n");
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", answers("one"));
  daemon.start();
  HttpConnection kept(door);
  kept.send(get_request("/"));
  REQUIRE(kept.read_response().body == "one");
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\n");
  const auto is_closed = [&] {
    try {
      return get(door, "/").status == 0;
    } catch (const std::exception&) {
      return true;
    }
  };
  CHECK(eventually(is_closed));
  app.write("app.py", answers("two"));
  CHECK(daemon.wait_for_body("/", "two"));
  for (int i = 0; i < 2; ++i) {
    kept.send(get_request("/"));
    CHECK(kept.read_response().body == "two");
  }
}
