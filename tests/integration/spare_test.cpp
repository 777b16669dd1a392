// The interpreter that stands ready for the next change: what is in it, when it is used and when not.

#include "tests/integration/mount_space.h"
#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

using namespace moult::testing;
namespace fs = std::filesystem;

namespace {

// Answers with its text, and whether a module of the standard library was imported ahead.
std::string tells_early(const std::string& text, const std::string& module = "sched") {
  return "import sys, " + module + "\nEARLY = '" + module +
         "' in getattr(sys.modules.get('_moult.shelf'), 'taken', ())\nimport moult\ndef application(environ, "
         "start_response):\n"
         "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
         "    return [f'" +
         text + " {EARLY} {moult.current().generation}'.encode()]\n";
}

bool is_ready(const DaemonProcess& daemon, const std::string& app = "blog") {
  return eventually([&] { return daemon.status(app).text("/spare") == "ready"; });
}

// Writes, and waits until a generation of that number serves.
std::string edit(const DaemonProcess& daemon, const AppTree& app, const std::string& code, int generation) {
  app.write("app.py", code);
  REQUIRE(daemon.wait_for_generation("blog", generation));
  return daemon.get("/").body;
}

}  // namespace

TEST_CASE("a spare is made after a change, takes the next one, and is no generation") {
  std::string settings;
  SUBCASE("in a host with others") {}
  SUBCASE("in a process of its own") { settings = "isolation = \"process\"\n"; }
  SUBCASE("two interpreters") { settings = "interpreters = 2\n"; }
  CAPTURE(settings);
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", settings);
  app.write("app.py", tells_early("a"));
  daemon.start();
  CHECK(daemon.get("/").body == "a False 1");
  CHECK(daemon.status("blog").text("/spare") == "none");
  CHECK(edit(daemon, app, tells_early("b"), 2) == "b False 2");
  REQUIRE(is_ready(daemon));
  CHECK(edit(daemon, app, tells_early("c"), 3) == "c True 3");
  REQUIRE(is_ready(daemon));
  const Answer generations = daemon.call("generations", R"({"app":"blog"})");
  CHECK(generations.size("/generations") == 3);
  const Answer nothing = daemon.call("rollback", R"({"app":"blog","generation":0})");
  CHECK(nothing.error_code() == "failed");
  CHECK(nothing.error_message().find("generation 0") != std::string::npos);
  const Answer unknown = daemon.call("imports", R"({"app":"blog","generation":77})");
  CHECK(unknown.error_text("/hint").find("0") == std::string::npos);
  CHECK(daemon.call("imports", R"({"app":"blog","generation":0})").error_code() == "failed");
  CHECK(daemon.ctl({"rollback", "blog", "0"}).status == 1);
  CHECK(daemon.get("/").body == "c True 3");
  CHECK(daemon.call("rollback", R"({"app":"blog"})").ok());
  CHECK(daemon.get("/").body == "b False 2");
  CHECK(daemon.call("stop", R"({"app":"blog"})").ok());
}

TEST_CASE("broken code in a spare is rejected, and the next change gets another one") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", tells_early("a"));
  daemon.start();
  edit(daemon, app, tells_early("b"), 2);
  REQUIRE(is_ready(daemon));
  app.write("app.py", "import sched, nosuch\n");
  CHECK(eventually([&] { return daemon.status("blog").has("/rejected/error"); }));
  CHECK(daemon.get("/").body == "b False 2");
  REQUIRE(is_ready(daemon));
  CHECK(edit(daemon, app, tells_early("c"), 4) == "c True 4");
}

TEST_CASE("a module of the app's own stands before one that a spare has imported, and goes again") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", tells_early("a"));
  daemon.start();
  edit(daemon, app, tells_early("b"), 2);
  REQUIRE(is_ready(daemon));
  app.write("sched.py", "");
  CHECK(edit(daemon, app, tells_early("c {sched.__file__}"), 3) ==
        "c " + (app / "sched.py").string() + " False 3");
  REQUIRE(is_ready(daemon));
  CHECK(edit(daemon, app, tells_early("d"), 4) == "d False 4");
  REQUIRE(is_ready(daemon));
  fs::remove(app / "sched.py");
  REQUIRE(daemon.wait_for_generation("blog", 5));
  CHECK(daemon.get("/").body == "d False 5");  // the spare had no reason to import it
  REQUIRE(is_ready(daemon));
  CHECK(edit(daemon, app, tells_early("e"), 6) == "e True 6");
}

TEST_CASE("an import that only older code made is missed with a spare as without") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  const std::string uses = "\nxml.etree.ElementTree.fromstring('<a/>')\n";
  app.write("app.py", "import xml.etree.ElementTree" + uses + tells_early("a"));
  daemon.start();
  edit(daemon, app, "import xml.etree.ElementTree" + uses + tells_early("b"), 2);
  REQUIRE(is_ready(daemon));
  app.write("app.py", "import xml" + uses + tells_early("c"));
  REQUIRE(eventually([&] { return daemon.status("blog").has("/rejected/error"); }));
  CHECK(daemon.status("blog").text("/rejected/error") ==
        "AttributeError: module 'xml' has no attribute 'etree'");
  CHECK(daemon.get("/").body == "b False 2");
}

TEST_CASE("an app that replaces what is in the standard library gets no spare") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  const std::string patch = "import socket\nclass Mine(socket.socket): pass\nsocket.socket = Mine\n";
  app.write("app.py", patch + tells_early("a"));
  daemon.start();
  edit(daemon, app, patch + tells_early("b"), 2);
  CHECK(eventually(
      [&] { return daemon.status("blog").text("/spare") == "the app replaces socket.socket by app"; }));
}

TEST_CASE("a spare goes when the settings change, and with `off` there is none") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", tells_early("a"));
  daemon.start();
  edit(daemon, app, tells_early("b {__import__(\"os\").environ.get(\"NEW\")}"), 2);
  REQUIRE(is_ready(daemon));
  daemon.write_app_config("blog", app.path(), "env = { NEW = \"value\" }\n");
  CHECK(eventually([&] { return daemon.get("/").body == "b value False 3"; }));
  daemon.write_app_config("blog", app.path(), "env = { NEW = \"value\" }\nspare = \"off\"\n");
  // There is none for a moment after each switch, too.
  const auto is_applied = [&] {
    const std::string shown = daemon.call("config.show", R"({"app":"blog"})").raw();
    return shown.find(R"("key":"spare","value":"\"off\"")") != std::string::npos;
  };
  CHECK(eventually([&] { return is_applied() && daemon.status("blog").text("/spare") == "none"; }));
  CHECK(edit(daemon, app, tells_early("c"), 4) == "c False 4");
}

TEST_CASE("when memory is short the spare and the standby go, and nothing is kept in reserve") {
  const MountSpace space;
  if (!space) return;
  DaemonProcess daemon;
  // What the daemon sees as the machine's memory.
  const std::filesystem::path memory = daemon.folder().path() / "meminfo";
  const auto set_left = [&](int mib) {
    std::ofstream(memory) << "MemTotal: 1048576 kB\nMemAvailable: " << mib * 1024 << " kB\n";
  };
  set_left(500);
  REQUIRE(::mount(memory.c_str(), "/proc/meminfo", nullptr, MS_BIND, nullptr) == 0);
  const Unmounts at_the_end{"/proc/meminfo"};
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", tells_early("a"));
  daemon.start();
  CHECK(edit(daemon, app, tells_early("b"), 2) == "b False 2");
  REQUIRE(is_ready(daemon));
  const auto count = [&](const char* state) {
    const Answer page = daemon.call("generations", R"({"app":"blog"})");
    int found = 0;
    for (std::size_t i = 0; i < page.size("/generations"); ++i)
      found += page.text("/generations/" + std::to_string(i) + "/state") == state;
    return found;
  };
  CHECK(count("standby") == 1);

  set_left(20);
  REQUIRE(eventually([&] { return daemon.status("blog").text("/spare") == "memory is short"; }));
  CHECK(count("standby") == 0);
  CHECK(daemon.call("status").text("/daemon/warnings/0").starts_with("memory is short: 20 MiB of 1024 MiB"));
  CHECK(edit(daemon, app, tells_early("c"), 3) == "c False 3");
  CHECK(eventually([&] { return count("retired") == 2; }));
  CHECK(daemon.status("blog").text("/spare") == "memory is short");
  CHECK(daemon.call("rollback", R"({"app":"blog"})").ok());  // from the snapshot
  CHECK(daemon.get("/").body == "b False 4");

  set_left(500);
  REQUIRE(eventually([&] { return !daemon.call("status").has("/daemon/warnings/0"); }));
  CHECK(edit(daemon, app, tells_early("d"), 5) == "d False 5");
  CHECK(is_ready(daemon));
}
