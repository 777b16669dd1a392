// An account that is at its limit of tasks. Root knows none, so these run as an account of their own.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>

#include <unistd.h>
#include <filesystem>
#include <string>

using namespace moult::testing;

namespace {

constexpr const char* kReason = "the limit of tasks of this account";

// Nobody else's: the kernel counts the tasks of an account.
std::string account() { return std::to_string(200'000 + ::getpid() % 100'000); }

std::vector<std::string> as_account(std::vector<std::string> command) {
  const std::vector<std::string> become{"/usr/bin/setpriv", "--reuid=" + account(), "--regid=" + account(),
                                        "--clear-groups"};
  command.insert(command.begin(), become.begin(), become.end());
  return command;
}

bool can_change_account(const DaemonProcess& daemon) {
  if (::getuid() != 0 || !std::filesystem::exists("/usr/bin/setpriv")) return false;
  const std::string scratch = daemon.folder().path().string();
  for (const std::string& needed : {program("moultd"), test_python()}) {
    if (run({as_account({"/usr/bin/test", "-x", needed}), {}, {}, {}, {}}, scratch).status != 0) return false;
  }
  return true;
}

void give_away(const DaemonProcess& daemon) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(daemon.folder().path()))
    REQUIRE(::lchown(entry.path().c_str(), static_cast<uid_t>(std::stoul(account())), 0) == 0);
  REQUIRE(::chown(daemon.folder().path().c_str(), static_cast<uid_t>(std::stoul(account())), 0) == 0);
}

// How many tasks this process lets its account have.
void limit(const DaemonProcess& daemon, pid_t process, const std::string& tasks) {
  const Finished done =
      run({as_account({"/usr/bin/prlimit", "--pid", std::to_string(process), "--nproc=" + tasks + ":"}),
           {},
           {},
           {},
           {}},
          daemon.folder().path().string());
  REQUIRE_MESSAGE(done.status == 0, done.errors);
}

pid_t host_of(const DaemonProcess& daemon, const std::string& app) {
  return static_cast<pid_t>(daemon.status(app).number("/active/host_pid"));
}

}  // namespace

TEST_CASE("at the limit of tasks a reload is refused with the reason, and its host serves all its apps on") {
  DaemonProcess daemon;
  if (!can_change_account(daemon))
    return skip("needs root, setpriv, and programs that every account may run");
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhosts = 1\n");
  const AppTree app = daemon.add_app("app", "routes = [\"/app\"]");
  app.write("app.py", answers("one"));
  daemon.add_app("other", "routes = [\"/other\"]").write("app.py", answers("other"));
  const AppTree alone = daemon.add_app("alone", "routes = [\"/alone\"]\nisolation = \"process\"");
  alone.write("app.py", answers("one"));
  give_away(daemon);
  daemon.starter() = as_account({});
  daemon.start();
  const pid_t host = host_of(daemon, "app");

  limit(daemon, host, "1");
  app.write("app.py", answers("two"));
  CHECK(eventually([&] { return daemon.status("app").has("/rejected"); }));
  CHECK(daemon.status("app").raw().find(kReason) != std::string::npos);
  CHECK(daemon.get("/app").body == "one");
  CHECK(daemon.get("/other").body == "other");
  limit(daemon, host, "1000");
  CHECK(daemon.ctl({"reload", "app"}).status == 0);
  CHECK(daemon.get("/app").body == "two");
  CHECK(host_of(daemon, "app") == host);

  limit(daemon, daemon.pid(), "1");
  alone.write("app.py", answers("two"));
  CHECK(eventually([&] { return daemon.status("alone").has("/rejected"); }));
  CHECK(daemon.status("alone").raw().find(kReason) != std::string::npos);
  CHECK(daemon.get("/alone").body == "one");
  limit(daemon, daemon.pid(), "1000");
  CHECK(daemon.ctl({"reload", "alone"}).status == 0);
  CHECK(daemon.get("/alone").body == "two");
}

TEST_CASE("a daemon that may have no threads does its jobs itself, and says why it has no hosts") {
  DaemonProcess daemon;
  if (!can_change_account(daemon))
    return skip("needs root, setpriv, and programs that every account may run");
  daemon.add_app("app").write("app.py", answers("one"));
  give_away(daemon);
  daemon.starter() = as_account({"/usr/bin/prlimit", "--nproc=1:"});
  daemon.start_listening();
  CHECK(eventually([&] { return daemon.status("app").raw().find(kReason) != std::string::npos; }));
  limit(daemon, daemon.pid(), "1000");
  CHECK(daemon.ctl({"reload", "app"}).status == 0);
  CHECK(daemon.get("/").body == "one");
}
