// Processes: which isolation an app gets, what the end of a host costs, recycling.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"
#include "tests/support/load_client.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>

#include <csignal>
#include <map>
#include <string>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* kNumpyApp =
    "import numpy\n"
    "def application(environ, start_response):\n"
    "    start_response('200 OK', [])\n"
    "    return [str(numpy.arange(5).sum()).encode(), b' v1']\n";
constexpr const char* kCryptographyApp =
    "from cryptography.fernet import Fernet\n"
    "from cryptography.hazmat.primitives.asymmetric import ed25519\n"
    "def application(environ, start_response):\n"
    "    key = ed25519.Ed25519PrivateKey.generate()\n"
    "    key.public_key().verify(key.sign(b'x'), b'x')\n"
    "    start_response('200 OK', [])\n"
    "    return [b'signed v1']\n";

// Served by `auto` over several generations, in a process of its own where it has to be.
void check_extension_app(const std::string& modules, std::string source, const std::string& answer) {
  if (!python_has(modules)) {
    skip("no " + modules + " for this Python");
    return;
  }
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("ext", "routes = [\"/ext\"]");
  app.write("app.py", source);
  const AppTree plain = daemon.add_app("plain", "routes = [\"/plain\"]");
  plain.write("app.py", answers("plain"));
  daemon.start();
  REQUIRE_MESSAGE(daemon.get("/ext").body == answer + " v1", daemon.status("ext").raw());
  CHECK(daemon.status("ext").text("/isolation") == "process");
  CHECK(daemon.status("plain").text("/isolation") != "process");
  for (int version = 2; version <= 4; ++version) {
    const std::string old_mark = "v" + std::to_string(version - 1);
    const std::string mark = "v" + std::to_string(version);
    source.replace(source.find(old_mark), old_mark.size(), mark);
    app.write("app.py", source);
    CHECK(daemon.wait_for_body("/ext", answer + " " + mark));
  }
  CHECK(daemon.get("/plain").body == "plain");
  const Answer compat = daemon.call("compat", R"({"app":"ext"})");
  CHECK(compat.text("/isolation") == "process");
  CHECK_FALSE(compat.text("/reason").empty());
  CHECK(daemon.ctl({"compat", "ext"}).output.find(modules.substr(0, 5)) != std::string::npos);
}

pid_t host_of(const DaemonProcess& daemon, const std::string& app) {
  return static_cast<pid_t>(daemon.status(app).number("/active/host_pid"));
}

// "one" at /one and "two" at /two.
void serve_two(DaemonProcess& daemon, int hosts) {
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhosts = " + std::to_string(hosts) + "\n");
  for (const std::string name : {"one", "two"})
    daemon.add_app(name, "routes = [\"/" + name + "\"]").write("app.py", answers("served"));
  daemon.start();
}

}  // namespace

TEST_CASE("a NumPy app is served without its user doing anything") {
  check_extension_app("numpy", kNumpyApp, "10");
}

TEST_CASE("a python3-cryptography app is served without its user doing anything") {
  check_extension_app("cryptography.fernet", kCryptographyApp, "signed");
}

TEST_CASE("isolation = process gives an app a host of its own, with the same life") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("alone", "isolation = \"process\"");
  app.write("app.py", answers("one"));
  daemon.start();
  CHECK(daemon.status("alone").text("/isolation") == "process");
  const pid_t first = host_of(daemon, "alone");
  app.write("app.py", answers("two"));
  CHECK(daemon.wait_for_body("/", "two"));
  CHECK(host_of(daemon, "alone") != first);
}

TEST_CASE("promise 5: a host that is killed costs its calls in flight a 502, and its apps come back") {
  DaemonProcess daemon;
  const std::string gate = daemon.folder() / "gate";
  daemon.add_app("blog", "threads = 1")
      .write("app.py", answers_after("while environ['PATH_INFO'] == '/slow' and not os.path.exists('" + gate +
                                         "'): time.sleep(0.01)",
                                     "alive"));
  daemon.start();
  const pid_t host = host_of(daemon, "blog");
  HttpConnection running(daemon.address());
  running.send(get_request("/slow"));
  CHECK(eventually([&] { return daemon.status("blog").number("/calls/running") == 1; }));
  HttpConnection queued(daemon.address());
  queued.send(get_request("/"));
  CHECK(eventually([&] { return daemon.status("blog").number("/calls/queued") == 1; }));
  ::kill(host, SIGKILL);
  CHECK(running.read_response().status == 502);
  CHECK(queued.read_response().body == "alive");  // it waited
  CHECK(host_of(daemon, "blog") != host);
  CHECK(daemon.status("blog").text("/active/cause") == "recovery");
  CHECK(daemon.status("blog").number("/counters/host_deaths") == 1);
  CHECK(daemon.is_running());
}

TEST_CASE("promise 5: a crash in C code takes one host, not the daemon nor an app of another host") {
  DaemonProcess daemon;
  daemon.add_app("crash", "routes = [\"/crash\"]\nisolation = \"process\"")
      .write("app.py", answers_after("environ['QUERY_STRING'] == 'now' and os.abort()", "not yet"));
  daemon.add_app("other", "routes = [\"/other\"]").write("app.py", answers("other"));
  daemon.start();
  CHECK(daemon.get("/crash").body == "not yet");
  for (int i = 0; i < 2; ++i) {
    CHECK(daemon.get("/crash?now").status == 502);
    CHECK(daemon.get("/other").body == "other");
    CHECK(daemon.wait_for_body("/crash", "not yet"));
  }
}

TEST_CASE("promise 5: a host that dies at every start is given a pause, and the daemon stays") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("crash", "isolation = \"process\"\nqueue_timeout = \"300ms\"");
  app.write("app.py", "import os\nos.abort()\n");
  daemon.start_listening();
  CHECK(eventually([&] {
    const std::string state = daemon.status("crash").text("/state");
    return state == "backoff" || state == "failed";
  }));
  CHECK(daemon.get("/").status == 503);
  app.write("app.py", answers("mended"));
  CHECK(daemon.wait_for_body("/", "mended"));
}

TEST_CASE("promise 1: recycling hosts under load loses no call and replaces every process") {
  DaemonProcess daemon;
  serve_two(daemon, 1);
  const pid_t before = host_of(daemon, "one");
  LoadClient load(daemon.address(), "/two", 8, [](const HttpResponse& response, const std::string&) {
    return response.body == "served" ? "" : std::to_string(response.status) + response.body;
  });
  const Answer recycled = daemon.call("recycle", "{}", Clock::now() + 2 * patience());
  CHECK_MESSAGE(recycled.ok(), recycled.raw());
  load.stop();
  CHECK_MESSAGE(load.failed() == 0, load.failures());
  CHECK(host_of(daemon, "one") != before);
  CHECK(host_of(daemon, "two") != before);
  CHECK(eventually([&] { return ::kill(before, 0) != 0; }));
}

TEST_CASE("recycling replaces hosts one after the other and names the one that took over") {
  DaemonProcess daemon;
  serve_two(daemon, 2);
  std::map<long long, std::string> apps;  // of each host
  for (const std::string app : {"one", "two"}) apps[host_of(daemon, app)] += app;
  const Answer recycled = daemon.call("recycle", "{}", Clock::now() + 2 * patience());
  REQUIRE_MESSAGE(recycled.ok(), recycled.raw());
  REQUIRE(recycled.size("/hosts") == apps.size());
  for (std::size_t i = 0; i < apps.size(); ++i) {
    const std::string row = "/hosts/" + std::to_string(i);
    const std::string app = apps.at(static_cast<long long>(recycled.number(row + "/pid")));
    CHECK(recycled.number(row + "/new_pid") == host_of(daemon, app.substr(0, 3)));
  }
}

TEST_CASE("apps share a host where they can, and status names it") {
  if (python_version() == std::pair{3, 12}) {
    skip("3.12 runs each app in a process of its own");
    return;
  }
  DaemonProcess daemon;
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhosts = 1\n");
  for (const std::string name : {"a", "b", "c"}) {
    daemon.add_app(name, "routes = [\"/" + name + "\"]").write("app.py", answers(name));
  }
  daemon.start();
  CHECK(host_of(daemon, "a") == host_of(daemon, "b"));
  CHECK(host_of(daemon, "b") == host_of(daemon, "c"));
  const Answer hosts = daemon.call("hosts");
  CHECK(hosts.size("/hosts") == 1);
  CHECK(hosts.size("/hosts/0/apps") == 3);
}

TEST_CASE("interpreters of one generation that share a GIL live in different hosts") {
  if (python_version() >= std::pair(3, 14)) {
    skip("own GILs need one host only");
    return;
  }
  DaemonProcess daemon;
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhosts = 2");
  const AppTree app = daemon.add_app("blog", "interpreters = 2\nkeep_previous = 0\nspare = \"off\"");
  app.write("app.py", answers("v1"));
  daemon.start();
  CHECK(daemon.call("hosts").size("/hosts") == 2);
  app.write("app.py", answers("v2"));
  CHECK(daemon.wait_for_body("/", "v2"));
  CHECK(eventually([&] { return daemon.call("hosts").size("/hosts") == 2; }));
}

TEST_CASE("several interpreters of one generation all serve, and one reload replaces them all") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "interpreters = 3\nthreads = 1\nkeep_previous = 0");
  app.write("app.py", "import time\nBORN = time.time()\n" + answers_after("time.sleep(0.05)", "one"));
  daemon.start();
  CHECK(daemon.status("blog").number("/active/interpreters") == 3);
  CHECK(daemon.status("blog").number("/workers/total") == 3);
  LoadClient load(daemon.address(), "/", 6, [](const HttpResponse& response, const std::string&) {
    return response.status == 200 ? "" : std::to_string(response.status);
  });
  app.write("app.py", answers("two"));
  CHECK(daemon.wait_for_body("/", "two"));
  load.stop();
  CHECK_MESSAGE(load.failed() == 0, load.failures());
}

TEST_CASE("a Python without a module is a clear error that says how to build it") {
  DaemonProcess daemon;
  daemon.add_app("plain").write("app.py", answers("plain"));
  AppTree(daemon.folder().path()).write("python9", "#!/bin/sh\nexit 1\n");
  std::filesystem::permissions(daemon.folder() / "python9", std::filesystem::perms::owner_all);
  daemon.start();
  daemon.tree("odd").write("app.py", answers("odd"));
  daemon.write_app_config("odd", daemon.tree("odd").path(),
                          "routes = [\"/odd\"]\npython = " + json_text(daemon.folder() / "python9"));
  CHECK(eventually([&] {
    const Answer status = daemon.status("odd");
    const Answer whole = daemon.call("status");
    return (status.ok() && status.raw().find("python9") != std::string::npos) ||
           whole.raw().find("python9") != std::string::npos;
  }));
  CHECK(daemon.get("/").body == "plain");
}
