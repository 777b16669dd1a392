// Changes that put an attempt in doubt, or that come when nobody seems to look: what the app writes
// itself, what it opens, what it imports against .gitignore, what a command seems to make moot.

#include "tests/integration/gate.h"
#include "tests/integration/sources.h"

#include <doctest/doctest.h>

#include <string>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* kBlog = R"({"app":"blog"})";

// A line that writes this expression of Python into a module of the app, each time that it runs.
std::string writes_own(std::string_view module, std::string_view expression) {
  return "import os, time\n"
         "with open(os.path.join(os.path.dirname(__file__), '" +
         std::string(module) + "'), 'w') as own: own.write(" + std::string(expression) + ")\n";
}

std::string reads(std::string_view file) {
  return "import os\n"
         "def application(environ, start_response):\n"
         "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
         "    with open(os.path.join(os.path.dirname(__file__), '" +
         std::string(file) + "'), 'rb') as page: return [page.read()]\n";
}

// Whether the watcher looks after this many more files than `before`.
bool watches_more(const DaemonProcess& daemon, double before) {
  return eventually([&] { return daemon.status("blog").number("/watched_files") > before; });
}

bool change_of(const DaemonProcess& daemon, const std::string& file) {
  const Answer events = daemon.call("events", R"({"app":"blog","filter":["change.seen"]})");
  return events.raw().find(file) != std::string::npos;
}

}  // namespace

TEST_CASE("an app that writes a source of its own with the same content at its import is served at once") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("stamp.py", "T = 1\n");
  app.write("app.py", writes_own("stamp.py", "'T = 1\\n'") + "import stamp\n" + answers("one"));
  daemon.start();
  CHECK(daemon.get("/").body == "one");
  CHECK(
      eventually([&] { return daemon.call("why", kBlog).raw().find("same content") != std::string::npos; }));
  CHECK(daemon.wait_for_state("blog", "running"));
  CHECK(daemon.generation("blog") == 1);
  CHECK(count_events(daemon, "generation.making") == 1);
  app.write("app.py", writes_own("stamp.py", "'T = 1\\n'") + "import stamp\n" + answers("two"));
  CHECK(daemon.wait_for_body("/", "two"));
  CHECK(daemon.generation("blog") == 2);
}

TEST_CASE(
    "an app that writes another content at each import is served, moults seldom, and the log says why") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", writes_own("stamp.py", "'T = %d\\n' % time.time_ns()") + answers("one"));
  daemon.start();
  CHECK(daemon.get("/").body == "one");
  CHECK(eventually([&] { return daemon.log().find("if the app writes it itself") != std::string::npos; }));
  CHECK(daemon.logs("stamp.py has changed during each of the last 3 loads"));
  // The pauses grow from a second on: without them there would be several loads a second.
  const std::size_t made = count_events(daemon, "generation.making");
  let_pass(2s);
  CHECK(count_events(daemon, "generation.making") <= made + 2);
  CHECK(daemon.get("/").body == "one");
}

TEST_CASE("a template that the app opened in a call counts, although no setting names it") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("page.html", "<p>one");
  app.write("app.py", reads("page.html"));
  daemon.start();
  const double before = daemon.status("blog").number("/watched_files");
  CHECK(daemon.get("/").body == "<p>one");
  REQUIRE(watches_more(daemon, before));
  app.write("page.html", "<p>two");
  CHECK(daemon.wait_for_generation("blog", 2));
  CHECK(daemon.status("blog").text("/active/cause") == "change");
  CHECK(daemon.status("blog").text("/active/cause_detail").find("page.html") != std::string::npos);
  CHECK(daemon.get("/").body == "<p>two");
}

TEST_CASE("an imported module counts, whatever .gitignore says of it") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write(".gitignore", "local_*.py\n");
  app.write("local_settings.py", "VERSION = 'one'\n");
  app.write("local_unused.py", "VERSION = 'one'\n");
  app.write("app.py", "import local_settings\n" + answers_with_late_import("local_settings"));
  daemon.start();
  CHECK(daemon.get("/").body == "one");
  REQUIRE(eventually([&] { return daemon.status("blog").number("/watched_files") >= 2; }));
  app.write("local_unused.py", "VERSION = 'two'\n");  // nobody imports this one
  app.write("local_settings.py", "VERSION = 'two'\n");
  CHECK(daemon.wait_for_body("/", "two"));
  CHECK(daemon.generation("blog") == 2);
  CHECK_FALSE(change_of(daemon, "local_unused.py"));
}

TEST_CASE("a write that changes nothing while an import runs makes nothing a second time") {
  DaemonProcess daemon;
  const Gate loading(daemon, "loading");
  const AppTree app = daemon.add_app("blog");
  app.write("part.py", "N = 1\n");
  app.write("app.py", "import part\n" + answers("one"));
  daemon.start();
  app.write("app.py", "import part\n" + loading.at_import() + answers("two"));
  REQUIRE(loading.is_reached());
  app.write("part.py", "N = 1\n");
  REQUIRE(eventually([&] { return change_of(daemon, "part.py"); }));
  // What it is worth is known while the import goes on.
  CHECK(eventually([&] {
    return daemon.call("why", kBlog).raw().find("as in the generation being made") != std::string::npos;
  }));
  loading.open();
  CHECK(daemon.wait_for_body("/", "two"));
  CHECK(daemon.generation("blog") == 2);
  CHECK(count_events(daemon, "generation.making") == 2);
  CHECK(loading.arrivals() == 1);
}

TEST_CASE("a freeze while an attempt waits for what follows a change lets the attempt end") {
  DaemonProcess daemon;
  const Gate loading(daemon, "loading");
  // Only the freeze can end the wait.
  const AppTree app = daemon.add_app("blog", "settle = \"1min\"\nsettle_max = \"10min\"");
  app.write("part.py", "N = 1\n");
  app.write("app.py", "import part\n" + answers("one"));
  daemon.start();
  app.write("part.py", loading.at_import() + "import more\n");
  // Seen during the snapshot it would be waited for, too.
  REQUIRE(eventually([&] { return change_of(daemon, "part.py"); }));
  auto reload = call_meanwhile(daemon, "reload");
  REQUIRE(loading.is_reached());
  app.write("more.py", "1 / 0\n");
  REQUIRE(eventually([&] { return change_of(daemon, "more.py"); }));
  loading.open();  // more.py is not in its snapshot: it fails, maybe because of the change
  CHECK(eventually([&] {
    const Answer status = daemon.status("blog");
    return status.has("/attempt/stage") && status.text("/attempt/stage") == "settle";
  }));
  CHECK(daemon.call("freeze", kBlog).text("/outcome") == "frozen");
  const Answer answer = reload.get();
  CHECK_MESSAGE(answer.error_code() == "code_rejected", answer.raw());
  CHECK(answer.error_message().find("ZeroDivisionError") != std::string::npos);
  CHECK(daemon.get("/").body == "one");
  CHECK(daemon.status("blog").text("/state") == "degraded");
}

TEST_CASE("a roll-back that fails forgets no change, and a reload during a slow attempt applies it at once") {
  DaemonProcess daemon;
  const Gate loading(daemon, "loading");
  const AppTree app = daemon.add_app("blog", "settle = \"500ms\"");
  app.write("part.py", "VERSION = 'one'\n");
  app.write("app.py", answers_with_late_import("part"));
  daemon.start();
  const auto change_and_fail = [&](const std::string& version) {
    const std::size_t seen = count_events(daemon, "change.seen");
    app.write("part.py", "VERSION = '" + version + "'\n");
    REQUIRE(eventually([&] { return count_events(daemon, "change.seen") > seen; }));
    CHECK(daemon.call("rollback", R"({"app":"blog","generation":99})").error_code() == "failed");
  };
  change_and_fail("two");  // while it settles
  CHECK(daemon.wait_for_body("/", "two"));
  app.write("app.py", loading.at_import() + answers_with_late_import("part"));
  REQUIRE(loading.is_reached(1));
  change_and_fail("three");  // while an older change is being loaded
  CHECK(loading.is_reached(2));
  change_and_fail("four");
  auto reload = call_meanwhile(daemon, "reload");
  CHECK(loading.is_reached(3));
  loading.open();
  CHECK(reload.get().text("/outcome") == "switched");
  CHECK(daemon.wait_for_body("/", "four"));
}
