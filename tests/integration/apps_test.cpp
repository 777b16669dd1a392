// Several apps in one daemon: routes, the config folder, what they must not see of each other.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"
#include "tests/support/load_client.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>

#include <string>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

HttpResponse get_from(const DaemonProcess& daemon, std::string_view host, std::string_view target) {
  HttpConnection connection(daemon.address());
  connection.send(get_request(target, {}, host));
  return connection.read_response();
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string shows(std::string_view expression) {
  return "import os, sys, subprocess, logging, warnings, threading\n"
         "def application(environ, start_response):\n"
         "    start_response('200 OK', [])\n"
         "    return [str(" +
         std::string(expression) + ").encode()]\n";
}

}  // namespace

TEST_CASE("apps are told apart by host name and by the longest prefix") {
  DaemonProcess daemon;
  daemon.add_app("any", "routes = [\"/\"]").write("app.py", answers("any"));
  daemon.add_app("shop", "routes = [\"/shop\"]").write("app.py", answers("shop"));
  daemon.add_app("admin", "routes = [\"/shop/admin\"]").write("app.py", answers("admin"));
  daemon.add_app("blog", "routes = [\"blog.example\"]").write("app.py", answers("blog"));
  daemon.start();
  CHECK(daemon.get("/").body == "any");
  CHECK(daemon.get("/shopping").body == "any");
  CHECK(daemon.get("/shop").body == "shop");
  CHECK(daemon.get("/shop/x?y").body == "shop");
  CHECK(daemon.get("/shop/admin/users").body == "admin");
  CHECK(get_from(daemon, "blog.example", "/shop").body == "blog");
  CHECK(get_from(daemon, "BLOG.example:8000", "/").body == "blog");
}

TEST_CASE("an entry is a file, or a module whose callable may be named") {
  DaemonProcess daemon;
  daemon.add_app("one", "routes = [\"/one\"]\nentry = \"site.py\"").write("site.py", answers("a file"));
  const AppTree two = daemon.add_app("two", "routes = [\"/two\"]\nentry = \"pack.site:make()\"");
  two.write("pack/__init__.py", "");
  two.write("pack/site.py", answers("a module") + "def make():\n    return application\n");
  daemon.start();
  CHECK(daemon.get("/one").body == "a file");
  CHECK(daemon.get("/two").body == "a module");
  two.write("pack/site.py", answers("a changed module") + "def make():\n    return application\n");
  CHECK(daemon.wait_for_body("/two", "a changed module"));
}

TEST_CASE("an entry that may be a file or a module is the file for as long as there is one") {
  DaemonProcess daemon;
  const AppTree tree = daemon.add_app("proj", "entry = \"proj.wsgi\"");
  tree.write("proj/__init__.py", "");
  tree.write("proj/wsgi.py", answers("the module"));
  daemon.start();
  CHECK(daemon.get("/").body == "the module");
  tree.write("proj.wsgi", "import proj\n" + answers("the file"));
  CHECK(daemon.wait_for_body("/", "the file"));
  tree.write("proj.wsgi", "import proj\n" + answers("the changed file"));
  CHECK(daemon.wait_for_body("/", "the changed file"));
  tree.remove("proj.wsgi");
  CHECK(daemon.wait_for_body("/", "the module"));
}

TEST_CASE("an entry that is neither stops no other app, and says what was looked for") {
  DaemonProcess daemon;
  daemon.add_app("proj", "routes = [\"/proj\"]\nentry = \"proj.wsgi\"\nqueue_timeout = \"300ms\"");
  daemon.add_app("blog", "routes = [\"/blog\"]").write("app.py", answers("blog"));
  daemon.start();
  CHECK(daemon.get("/blog").body == "blog");
  const std::string error = daemon.status("proj").text("/rejected/error");
  CHECK(error.find("No module named 'proj': there is neither a file proj.wsgi in ") != std::string::npos);
}

TEST_CASE("a path that no app has is 404, a stopped app 503 with Retry-After") {
  DaemonProcess daemon;
  daemon.add_app("shop", "routes = [\"/shop\"]").write("app.py", answers("shop"));
  daemon.start();
  CHECK(daemon.get("/other").status == 404);
  CHECK(daemon.ctl({"stop", "shop"}).status == 0);
  const HttpResponse stopped = daemon.get("/shop");
  CHECK(stopped.status == 503);
  CHECK_FALSE(stopped.header("Retry-After").empty());
  CHECK(daemon.ctl({"reload", "shop"}).status == 3);
  CHECK(daemon.ctl({"start", "shop"}).status == 0);
  CHECK(daemon.get("/shop").body == "shop");
}

TEST_CASE("promise 6: a full queue and a late call get 503 with Retry-After") {
  DaemonProcess daemon;
  daemon.add_app("slow", "threads = 1\nqueue = 1\nqueue_timeout = \"500ms\"")
      .write("app.py", answers_after("time.sleep(3) if environ['PATH_INFO'] == '/slow' else 0", "slow"));
  daemon.start();
  HttpConnection running(daemon.address());
  running.send(get_request("/slow"));
  CHECK(eventually([&] { return daemon.status("slow").number("/calls/running") == 1; }));
  HttpConnection queued(daemon.address());
  queued.send(get_request("/"));
  CHECK(eventually([&] { return daemon.status("slow").number("/calls/queued") == 1; }));
  const HttpResponse full = daemon.get("/");
  CHECK(full.status == 503);
  CHECK_FALSE(full.header("Retry-After").empty());
  CHECK(queued.read_response().status == 503);
  CHECK(running.read_response().status == 200);
  const Answer status = daemon.status("slow");
  CHECK(status.number("/counters/queue_full") == 1);
  CHECK(status.number("/counters/queue_late") == 1);
}

TEST_CASE("promise 6: a call over call_timeout gets 504 and its worker is free again") {
  DaemonProcess daemon;
  daemon.add_app("slow", "threads = 1\ncall_timeout = \"300ms\"")
      .write("app.py", answers_after("while environ['PATH_INFO'] == '/slow': time.sleep(0.01)", "quick"));
  daemon.start();
  CHECK(daemon.get("/slow").status == 504);
  CHECK(daemon.get("/").body == "quick");
}

TEST_CASE("an app file that appears is served, one that changes applied, one that goes stopped") {
  DaemonProcess daemon;
  daemon.add_app("first", "routes = [\"/first\"]").write("app.py", answers("first"));
  daemon.start();
  CHECK(daemon.get("/second").status == 404);
  daemon.tree("second").write("app.py", answers("second"));
  daemon.write_app_config("second", daemon.tree("second").path(), "routes = [\"/second\"]");
  CHECK(daemon.wait_for_body("/second", "second"));
  daemon.write_app_config("second", daemon.tree("second").path(), "routes = [\"/moved\"]");
  CHECK(daemon.wait_for_body("/moved", "second"));
  CHECK(daemon.get("/second").status == 404);
  CHECK(daemon.generation("second") == 1);  // a route makes no new generation
  daemon.remove_app_config("second");
  CHECK(eventually([&] { return daemon.get("/moved").status == 404; }));
  CHECK(daemon.get("/first").body == "first");
  CHECK(daemon.generation("first") == 1);
}

TEST_CASE("a wrong config changes nothing that runs and is told with file, line and the nearest key") {
  DaemonProcess daemon;
  daemon.add_app("first", "routes = [\"/first\"]").write("app.py", answers("first"));
  daemon.start();
  daemon.tree("second").write("app.py", answers("second"));
  daemon.write_app_config("second", daemon.tree("second").path(), "routes = [\"/second\"]\nthreds = 2");
  const Answer reload = daemon.call("config.reload");
  CHECK(reload.error_code() == "config_invalid");
  CHECK(contains(reload.error_text("/errors/0/file"), "second.toml"));
  CHECK(reload.error_text("/errors/0/line") == "4");
  CHECK(contains(reload.raw(), "threads"));
  CHECK(daemon.get("/first").body == "first");
  CHECK(daemon.get("/second").status == 404);
  CHECK(eventually([&] { return daemon.call("status").size("/daemon/config_errors") == 1; }));
  CHECK(daemon.ctl({"config", "check"}).status == 5);
  const std::string warning = "the config files on disk have errors and are not in force";
  CHECK(daemon.ctl({"status", "first"}).output.find(warning) != std::string::npos);
  CHECK(daemon.ctl({"list"}).errors.find(warning) != std::string::npos);
  daemon.remove_app_config("second");
  CHECK(eventually(
      [&] { return daemon.log().find("the configuration on disk is valid again") != std::string::npos; }));
  CHECK(daemon.ctl({"status", "first"}).output.find(warning) == std::string::npos);
  CHECK(daemon.ctl({"list"}).errors.empty());
  daemon.write_app_config("second", daemon.tree("second").path(), "routes = [\"/second\"]\nthreads = 2");
  CHECK(daemon.wait_for_body("/second", "second"));
}

TEST_CASE("promise 1: a config reload under load loses no call") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "threads = 2");
  app.write("app.py", answers("blog"));
  daemon.start();
  LoadClient load(daemon.address(), "/", 8, [](const HttpResponse& response, const std::string&) {
    return response.body == "blog" ? "" : std::to_string(response.status) + response.body;
  });
  for (int threads = 3; threads <= 6; ++threads) {
    daemon.write_app_config("blog", app.path(), "threads = " + std::to_string(threads));
    CHECK(daemon.wait_for_generation("blog", threads - 1));
  }
  load.stop();
  CHECK_MESSAGE(load.failed() == 0, load.failures());
  CHECK(daemon.status("blog").text("/active/cause") == "config");
}

TEST_CASE("promise 1: a config reload under load applies all files or none, and loses no call") {
  DaemonProcess daemon;
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nreload = \"off\"\n");
  const AppTree blog = daemon.add_app("blog", "threads = 2");
  blog.write("app.py", answers("blog"));
  const AppTree shop = daemon.add_app("shop", "routes = [\"/shop\"]");
  shop.write("app.py", answers("shop"));
  daemon.start();
  LoadClient load(daemon.address(), "/", 8, [](const HttpResponse& response, const std::string&) {
    return response.body == "blog" ? "" : std::to_string(response.status) + response.body;
  });
  daemon.write_app_config("blog", blog.path(), "threads = 3");
  daemon.write_app_config("shop", shop.path(), "routes = [\"/moved\"]\nthreads = \"many\"");
  daemon.tree("new").write("app.py", answers("new"));
  daemon.write_app_config("new", daemon.tree("new").path(), "routes = [\"/new\"]");
  CHECK(daemon.ctl({"config", "reload"}).status == 5);
  CHECK(daemon.status("blog").number("/workers/total") == 2);
  CHECK(daemon.generation("blog") == 1);
  CHECK(daemon.get("/shop").body == "shop");
  CHECK(daemon.get("/new").body == "blog");  // still the app of all paths
  CHECK(daemon.call("list").size("/apps") == 2);

  daemon.write_app_config("shop", shop.path(), "routes = [\"/moved\"]\nthreads = 2");
  CHECK(daemon.ctl({"config", "reload"}).status == 0);
  CHECK(daemon.wait_for_generation("blog", 2));
  CHECK(daemon.status("blog").number("/workers/total") == 3);
  CHECK(daemon.wait_for_body("/moved", "shop"));
  CHECK(daemon.wait_for_body("/new", "new"));
  load.stop();
  CHECK_MESSAGE(load.failed() == 0, load.failures());
}

TEST_CASE("promise 4: an app's environment is its own, also for its child processes") {
  DaemonProcess daemon;
  daemon.add_app("one", "routes = [\"/one\"]\nenv = { WHO = \"one\" }")
      .write("app.py", "import os\nos.environ['WRITTEN'] = 'by one'\n" +
                           shows("(os.environ['WHO'], subprocess.run('echo $WHO $WRITTEN', shell=True, "
                                 "capture_output=True, text=True).stdout)"));
  daemon.add_app("two", "routes = [\"/two\"]\nenv = { WHO = \"two\" }")
      .write("app.py",
             shows("(os.environ['WHO'], os.environ.get('WRITTEN'), subprocess.run('echo $WHO $WRITTEN', "
                   "shell=True, capture_output=True, text=True).stdout)"));
  daemon.start();
  CHECK(daemon.get("/one").body == R"(('one', 'one by one\n'))");
  CHECK(daemon.get("/two").body == R"(('two', None, 'two\n'))");
}

TEST_CASE("promise 4: modules, streams, filters and thread-locals of one app are not seen by another") {
  DaemonProcess daemon;
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhosts = 1\n");
  daemon.add_app("one", "routes = [\"/one\"]")
      .write(
          "app.py",
          "import sys, os, logging, warnings, decimal\nsys.modules['json'] = os\nsys.path.insert(0, '/one')\n"
          "logging.getLogger().setLevel(7)\nwarnings.simplefilter('error', BytesWarning)\n"
          "decimal.getcontext().prec = 3\nprint('written by one')\n" +
              answers("one"));
  daemon.add_app("two", "routes = [\"/two\"]")
      .write("app.py",
             "import json, decimal\n" +
                 shows("(json.__name__, '/one' in sys.path, logging.getLogger().level, "
                       "decimal.getcontext().prec, any(f[0] == 'error' for f in warnings.filters))"));
  daemon.start();
  CHECK(daemon.get("/one").body == "one");
  CHECK(daemon.get("/two").body == "('json', False, 30, 28, False)");
  CHECK(eventually([&] { return contains(daemon.app_log("one"), "written by one"); }));
  CHECK_FALSE(contains(daemon.app_log("two"), "written by one"));
}

TEST_CASE("each app is in its own working folder with its own umask") {
  DaemonProcess daemon;
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhosts = 1\n");
  for (const std::string name : {"one", "two"}) {
    daemon.add_app(name, "routes = [\"/" + name + "\"]").write("app.py", shows("os.getcwd()"));
  }
  daemon.start();
  CHECK(daemon.get("/one").body == daemon.tree("one").path());
  CHECK(daemon.get("/two").body == daemon.tree("two").path());
}

TEST_CASE("an app's log rotates by size and keeps as many as asked for") {
  DaemonProcess daemon;
  daemon.add_app("chatty", "log_max_size = \"64KiB\"\nlog_keep = 2")
      .write("app.py", answers_after("[print('x' * 100) for _ in range(100)]", "said"));
  daemon.start();
  const std::filesystem::path log = daemon.status("chatty").text("/log_file");
  for (int i = 0; i < 60; ++i) CHECK(daemon.get("/").body == "said");
  const auto logs = [&] {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(log.parent_path())) {
      count += contains(entry.path().filename(), log.filename().string()) ? 1 : 0;
    }
    return count;
  };
  CHECK(eventually([&] { return logs() == 3; }));
  CHECK(std::filesystem::file_size(log) < 2 * 64 * 1024);
}

TEST_CASE("a virtual environment's own packages are seen, by path and by its python") {
  DaemonProcess daemon;
  const std::string venv = daemon.folder() / "venv";
  const Finished made =
      run({{test_python(), "-m", "venv", "--without-pip", venv}, daemon.environment(), {}, {}, {}},
          daemon.folder().path().string());
  if (made.status != 0) {
    skip("this Python makes no virtual environments");
    return;
  }
  const auto [major, minor] = python_version();
  AppTree(venv).write(
      "lib/python" + std::to_string(major) + "." + std::to_string(minor) + "/site-packages/only_here.py",
      "VERSION = 'from the venv'\n");
  daemon.add_app("blog", "venv = " + json_text(venv)).write("app.py", answers_with_late_import("only_here"));
  daemon.start();
  CHECK(daemon.get("/").body == "from the venv");
}
