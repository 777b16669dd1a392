// What a terminal, a disk and a limit can do to the daemon: nothing.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"
#include "tests/support/raw_file.h"

#include <doctest/doctest.h>

#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// Starts the daemon with its stderr in a pipe that is read only while the file `gate` is not there.
std::vector<std::string> gated_log(const std::string& gate) {
  return {test_python(), "-c", R"(
import os, sys, time
r, w = os.pipe()
if os.fork():
    os.dup2(w, 2); os.close(r); os.close(w)
    os.execvp(sys.argv[2], sys.argv[2:])
os.close(w)
while True:
    while os.path.exists(sys.argv[1]): time.sleep(0.02)
    data = os.read(r, 65536)
    if not data: break
    os.write(2, data)
)",
          gate};
}

constexpr std::string_view kLimits = R"(
import resource, os
def application(environ, start_response):
    start_response("200 OK", [])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [f"{soft} {hard}".encode()]
)";

// The lowest number that no descriptor of this process has.
rlim_t first_free(pid_t pid) {
  rlim_t number = 0;
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd/";
  while (std::filesystem::is_symlink(folder + std::to_string(number))) ++number;
  return number;
}

}  // namespace

TEST_CASE("a log that nobody reads stops neither requests nor moultctl, and says what was lost") {
  DaemonProcess daemon;
  const std::string gate = daemon.folder() / "gate";
  daemon.starter() = gated_log(gate);
  daemon.write_daemon_config("listen = [\"127.0.0.1:0\"]\naccess_log = true\n");
  daemon.add_app("blog").write("app.py", answers("one"));
  daemon.start();
  std::ofstream(gate).close();
  const std::string target = "/" + std::string(6'000, 'a');
  for (int i = 0; i < 400; ++i) REQUIRE(daemon.get(target).status == 200);
  CHECK(daemon.call("ping").ok());
  std::filesystem::remove(gate);
  CHECK(eventually([&] {
    daemon.get("/");
    return contains(daemon.log(), "dropped here: nobody took what the log had");
  }));
  CHECK(daemon.stop() == 0);
}

TEST_CASE("hosts have the soft limit of descriptors that the daemon was started with") {
  DaemonProcess daemon;
  daemon.starter() = {"/bin/bash", "-c", "ulimit -Sn 300; ulimit -Hn 2000; exec \"$@\"", "-"};
  daemon.add_app("blog").write("app.py", kLimits);
  daemon.start();
  CHECK(daemon.get("/").body == "300 2000");
  std::ifstream limits("/proc/" + std::to_string(daemon.pid()) + "/limits");
  std::string line;
  while (std::getline(limits, line) && !line.starts_with("Max open files")) continue;
  CHECK(contains(line, "2000                 2000"));
}

TEST_CASE("signals that are meant for logs do not end the daemon") {
  DaemonProcess daemon;
  daemon.add_app("blog").write("app.py", answers("one"));
  daemon.start();
  daemon.send_signal(SIGUSR2);
  CHECK(eventually([&] { return contains(daemon.log(), "state of blog: "); }));
  daemon.send_signal(SIGUSR1);
  CHECK(daemon.get("/").body == "one");
  daemon.send_signal(SIGHUP);
  CHECK(daemon.get("/").body == "one");
  CHECK(daemon.stop() == 0);
}

TEST_CASE("`moultd run` ends when its terminal is closed") {
  DaemonProcess daemon;
  const AppTree tree = daemon.tree("blog");
  tree.write("app.py", answers("one"));
  daemon.start({"run", "--listen", "127.0.0.1:0", "--python", test_python(), tree.path().string()});
  CHECK(daemon.get("/").body == "one");
  daemon.send_signal(SIGHUP);
  CHECK(daemon.wait_for_exit() == 0);
}

TEST_CASE("with its descriptors used up the daemon still answers moultctl, takes edits and replaces a host") {
  DaemonProcess daemon;
  daemon.starter() = {"/bin/bash", "-c", "ulimit -n 256; exec \"$@\"", "-"};
  const AppTree app = daemon.add_app("blog", "threads = 20\n");
  app.write("app.py", answers("one"));
  daemon.start();
  std::vector<std::unique_ptr<HttpConnection>> crowd;
  for (int i = 0; i < 300; ++i) crowd.push_back(std::make_unique<HttpConnection>(daemon.address()));
  CHECK(daemon.call("ping").ok());
  std::vector<std::unique_ptr<ControlClient>> watchers;
  for (int i = 0; i < 4; ++i) {
    watchers.push_back(std::make_unique<ControlClient>(daemon.socket_path()));
    CHECK(watchers.back()->call("ping").ok());
  }
  app.write("app.py", answers("two"));
  CHECK(daemon.wait_for_generation("blog", 2));
  ::kill(static_cast<pid_t>(daemon.status("blog").number("/active/host_pid")), SIGKILL);
  CHECK(daemon.wait_for_generation("blog", 3));
  crowd.clear();
  CHECK(daemon.wait_for_body("/", "two"));
}

TEST_CASE("the limit of descriptors may be reached by all means: what failed for it is tried again") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", answers("one"));
  daemon.start();
  rlimit before{};
  REQUIRE(::prlimit(daemon.pid(), RLIMIT_NOFILE, nullptr, &before) == 0);
  rlimit none = before;
  none.rlim_cur = first_free(daemon.pid());
  REQUIRE(::prlimit(daemon.pid(), RLIMIT_NOFILE, &none, nullptr) == 0);
  app.write("app.py", answers("two"));
  CHECK(eventually([&] { return contains(daemon.log(), "generation 2 rejected"); }));
  CHECK(daemon.call("ping").ok());  // by a descriptor that is kept for it
  REQUIRE(::prlimit(daemon.pid(), RLIMIT_NOFILE, &before, nullptr) == 0);
  CHECK(daemon.wait_for_body("/", "two"));
}

TEST_CASE("secrets of env are not shown on the status socket") {
  DaemonProcess daemon;
  daemon.add_app("blog", "env = { KEY = \"a secret\" }\n").write("app.py", answers("one"));
  daemon.start();
  for (const char* method : {"show", "config.show"}) {
    ControlClient status(daemon.folder() / "run/status.sock");
    const std::string shown = status.call(method, R"({"app":"blog"})").raw();
    CHECK(contains(shown, "KEY"));
    CHECK_FALSE(contains(shown, "a secret"));
    CHECK(contains(daemon.call(method, R"({"app":"blog"})").raw(), "a secret"));
  }
}

TEST_CASE("without inotify a new app's file is taken up all the same, and the doctor says how") {
  DaemonProcess daemon;
  const std::string set = "echo 0 > /proc/sys/user/max_inotify_instances";
  const std::vector<std::string> unshare{"unshare", "--user", "--map-root-user", "sh", "-c"};
  std::vector<std::string> probe = unshare;
  probe.push_back(set);
  const std::string folder = daemon.folder().path().string();
  if (run(Command{probe, {{"PATH", "/usr/bin:/bin"}}, folder, {}, {}}, folder).status != 0) {
    MESSAGE("skipped: no user namespaces here");
    return;
  }
  daemon.starter() = unshare;
  daemon.starter().push_back(set + " && exec \"$0\" \"$@\"");
  daemon.add_app("blog", "routes = [\"/\"]\n").write("app.py", answers("one"));
  daemon.start();
  CHECK(contains(daemon.call("doctor").raw(), "the config folder is polled"));
  daemon.add_app("shop", "routes = [\"/shop\"]\n").write("app.py", answers("two"));
  CHECK(daemon.wait_for_body("/shop", "two"));
}
