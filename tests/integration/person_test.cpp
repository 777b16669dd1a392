// What a person sees of an app: in the browser, when it cannot be started, and on the terminal.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"

#include <doctest/doctest.h>

#include <csignal>
#include <string>

using namespace moult::testing;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

constexpr const char* kBroken = "import nothing_like_this\n";

// Imports for as long as the file is there.
constexpr const char* kSlow =
    "import os, time\nwhile os.path.exists(os.environ['GATE']):\n    time.sleep(0.01)\nimport "
    "nothing_like_this\n";

}  // namespace

TEST_CASE("an app that cannot be started answers at once, and waits again when something comes") {
  DaemonProcess daemon;
  const AppTree blog = daemon.add_app("blog", "queue_timeout = \"1h\"\n");
  blog.write("app.py", kBroken);
  daemon.start();
  const HttpResponse refused =
      daemon.get("/");  // within the patience of the test, which is less than an hour
  CHECK(refused.status == 503);
  CHECK(refused.header("Retry-After") == "5");
  CHECK(contains(refused.body, "`moultctl status blog` says why"));
  CHECK_FALSE(contains(refused.body, "nothing_like_this"));
  blog.write("app.py", answers("mended"));
  CHECK(daemon.wait_for_body("/", "mended"));
}

TEST_CASE("with debug the page of an app that cannot be started has the traceback") {
  DaemonProcess daemon;
  daemon.add_app("blog", "debug = true\n").write("app.py", kBroken);
  daemon.start();
  const HttpResponse refused = daemon.get("/");
  CHECK(refused.status == 503);
  CHECK(contains(refused.body, "ModuleNotFoundError: No module named"));
}

TEST_CASE("what was queued while the first attempt ran is answered when that is rejected") {
  DaemonProcess daemon;
  const std::string gate = daemon.folder() / "gate";
  AppTree(daemon.folder().path()).touch("gate");
  daemon.add_app("blog", "queue_timeout = \"1h\"\nenv = { GATE = " + json_text(gate) + " }\n")
      .write("app.py", kSlow);
  daemon.start_listening();
  HttpConnection waiting(daemon.address());
  waiting.send(get_request("/"));
  REQUIRE(eventually([&] {
    const Answer status = daemon.status("blog");
    return status.ok() && status.number("/calls/queued") == 1;
  }));
  AppTree(daemon.folder().path()).remove("gate");
  CHECK(waiting.read_response().status == 503);
}

TEST_CASE("calls of another app that cannot be started are answered at once") {
  DaemonProcess daemon;
  daemon.add_app("shop", "route = \"/shop\"\nqueue_timeout = \"1h\"\n").write("app.py", kBroken);
  daemon.add_app("blog", "route = \"/blog\"\n")
      .write("app.py",
             "import moult\ndef application(environ, start):\n    start('200 OK', [])\n"
             "    try:\n        moult.app('shop').call('f')\n"
             "    except moult.AppUnavailable as error:\n        return [str(error).encode()]\n");
  daemon.start();
  CHECK(contains(daemon.get("/blog").body, "the code of shop is not loaded"));
}

TEST_CASE("while a host that died is made again calls wait") {
  DaemonProcess daemon;
  daemon.add_app("blog", "retry_safe = true\n").write("app.py", answers_after("sys.stdout.flush()", "here"));
  daemon.start();
  const int pid = static_cast<int>(daemon.status("blog").number("/active/host_pid"));
  REQUIRE(::kill(pid, SIGKILL) == 0);
  CHECK(daemon.get("/").status == 200);
}

TEST_CASE("the terminal of moultd run has one clear line for each thing that happens") {
  TempDir folder;
  const AppTree code(folder.path() / "code");
  const std::string log = folder / "log";
  const std::string address = "unix:" + (folder / "s.sock");
  code.write("app.py", "print('loaded')\n" + answers("one"));
  auto environment = clean_environment();
  environment["HOME"] = folder.path().string();
  environment["MOULT_SOCKET"] = folder / "control.sock";
  Child daemon({{program("moultd"), "run", code.path().string(), "--listen", address, "--python",
                 test_python(), "--log-format", "human"},
                environment,
                folder.path().string(),
                log,
                log});
  const auto says = [&](const std::string& text) {
    const bool said = eventually([&] { return contains(read_file(log), text); });
    CHECK_MESSAGE(said, text << " is not in\n" << read_file(log));
  };
  says("serving app.py of " + code.path().string() + " at " + address);
  says("it runs in: " + test_python() + " (`python`)\n");
  says("\nloaded\n");  // as it was printed
  says(" generation 1 serves (first load, ");
  CHECK(get(address, "/shop?a=1").body == "one");
  says(" GET /shop?a=1 200 ");
  code.write("app.py", "def application(:\n");
  says("error: generation 2 rejected: SyntaxError");
  says("generation 1 serves on\n");
  says("\n    def application(:\n");  // the traceback as Python prints it
  says("\nSyntaxError: invalid syntax\n");
  code.write("app.py", answers("two"));
  says(" generation 3 serves (change of app.py, ");
  // No key=value words behind any line.
  for (const char* word : {"app=", "generation=", "stream=", "cause=", "host=", "status="})
    CHECK_FALSE(contains(read_file(log), word));
  CHECK_FALSE(contains(read_file(log), "\x1b["));  // a file is no terminal
  daemon.send_signal(SIGTERM);
  CHECK(daemon.wait(soon()) == 0);
}

TEST_CASE("moultd run --quiet has no line per request") {
  DaemonProcess daemon;
  const AppTree code(daemon.folder().path() / "code");
  code.write("app.py", answers("one"));
  const std::vector<std::string> arguments{"run",         code.path().string(), "--listen",
                                           "127.0.0.1:0", "--python",           test_python()};
  daemon.start_listening(arguments);
  CHECK(daemon.wait_for_body("/loud", "one"));
  CHECK(eventually([&] { return contains(daemon.log(), "GET /loud"); }));
  CHECK(daemon.stop() == 0);
  auto quiet = arguments;
  quiet.emplace_back("--quiet");
  daemon.start_listening(quiet);
  CHECK(daemon.wait_for_body("/quiet", "one"));
  CHECK(daemon.stop() == 0);
  CHECK_FALSE(contains(daemon.log(), "GET /quiet"));
}

TEST_CASE("moultd run takes routes, static folders and isolation") {
  DaemonProcess daemon;
  const AppTree code(daemon.folder().path() / "code");
  code.write("app.py",
             "import os\ndef application(environ, start):\n    start('200 OK', [])\n"
             "    return [environ['SCRIPT_NAME'].encode()]\n");
  code.write("assets/a.txt", "asset");
  daemon.start_listening({"run", code.path().string(), "--listen", "127.0.0.1:0", "--python", test_python(),
                          "--route", "/shop", "--static", "/static/=" + (code / "assets").string(),
                          "--isolation", "process"});
  CHECK(daemon.wait_for_body("/shop", "/shop"));
  CHECK(daemon.get("/shop/static/a.txt").body == "asset");
  CHECK(daemon.get("/other").status == 404);
  CHECK(daemon.status("code").text("/isolation") == "process");
}
