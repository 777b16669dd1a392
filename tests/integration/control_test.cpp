// The control socket and the programs around the daemon's life.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"
#include "tests/support/load_client.h"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <csignal>
#include <string>
#include <thread>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

unsigned mode_of(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 ? about.st_mode & 07777U : 0U;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

struct Blog {
  DaemonProcess daemon;
  AppTree app;
  explicit Blog(std::string_view toml = "") : app(daemon.add_app("blog", toml)) {
    app.write("app.py", answers("one"));
    daemon.start();
  }
};

// Ends a daemon that `ensure` has started: it is in no session of ours.
struct Detached {
  DaemonProcess& daemon;
  ~Detached() {
    try {
      const int pid = static_cast<int>(daemon.call("version").number("/pid"));
      daemon.call("shutdown", R"({"timeout":1})");
      const auto gone = [&] { return ::waitpid(pid, nullptr, WNOHANG) == pid || ::kill(pid, 0) != 0; };
      if (!eventually(gone)) ::kill(pid, SIGKILL);
    } catch (const std::exception&) {  // it never came up
    }
  }
};

}  // namespace

TEST_CASE("the sockets are their owner's alone, in a folder that is too") {
  DaemonProcess daemon;
  daemon.add_app("blog").write("app.py", answers("one"));
  daemon.environment().erase("MOULT_SOCKET");
  daemon.start_listening();
  const std::filesystem::path hosts = daemon.folder() / "home/.moult/run";
  std::string folder;
  CHECK(eventually([&] {
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(hosts, none)) folder = entry.path();
    return !folder.empty() && mode_of(folder + "/control.sock") != 0;
  }));
  CHECK(mode_of(folder) == 0700);
  CHECK(mode_of(folder + "/control.sock") == 0600);
  CHECK(mode_of(folder + "/status.sock") == 0600);
  ControlClient reader(folder + "/status.sock");
  CHECK(reader.call("list").ok());
  CHECK(reader.call("reload", R"({"app":"blog"})").error_code() == "denied");
  CHECK(daemon.ctl({"list"}).status == 0);  // found without a variable
}

TEST_CASE("the control socket says what is wrong with a request and serves on") {
  const Blog blog;
  ControlClient client(blog.daemon.socket_path());
  CHECK(client.send_line("no json").error_code() == "usage");
  CHECK(client.call("lst").error_text("/hint").find("list") != std::string::npos);
  CHECK(client.call("reload", R"({"app":"blog","wiat":"ready"})").error_code() == "usage");
  CHECK(client.call("reload", R"({"app":"blg"})").error_code() == "no_such_app");
  CHECK(client.call("ping").flag("/pong"));
  CHECK(client.send_line(std::string(2u << 20, '1')).error_code() == "usage");
  CHECK(client.ends());
  CHECK(blog.daemon.get("/").body == "one");
}

TEST_CASE("moultctl's exit codes are the documented ones") {
  const Blog blog;
  CHECK(blog.daemon.ctl({"reload", "blog"}).status == 0);
  CHECK(blog.daemon.ctl({"no-such-word"}).status == 2);
  CHECK(blog.daemon.ctl({"reload", "no-such-app"}).status == 4);
  CHECK(blog.daemon.ctl({"-s", blog.daemon.folder() / "nobody.sock", "list"}).status == 7);
  CHECK(blog.daemon.ctl({"stop", "blog"}).status == 0);
  CHECK(blog.daemon.ctl({"reload", "blog"}).status == 3);
  CHECK(blog.daemon.ctl({"version"}).status == 0);
}

TEST_CASE("moultctl's rarer exit codes: nothing serves, denied, timed out, interrupted") {
  Blog blog;
  DaemonProcess& daemon = blog.daemon;
  const std::string read_only = daemon.folder() / "run/status.sock";
  CHECK(daemon.ctl({"-s", read_only, "list"}).status == 0);
  CHECK(daemon.ctl({"-s", read_only, "reload", "blog"}).status == 8);

  const std::string gate = daemon.folder() / "gate";
  blog.app.write("app.py", "import os, time\nwhile not os.path.exists('" + gate + "'): time.sleep(0.01)\n" +
                               answers("two"));
  CHECK(daemon.ctl({"reload", "blog", "--timeout", "300ms"}).status == 124);
  CHECK(daemon.get("/").body == "one");
  Child waiting({{program("moultctl"), "wait", "blog", "--until", "generation", "-g", "99"},
                 daemon.environment(),
                 {},
                 {},
                 {}});
  CHECK_FALSE(waiting.wait(Clock::now() + 300ms).has_value());
  waiting.send_signal(SIGINT);
  CHECK(waiting.wait(soon()) == 130);
  AppTree(daemon.folder().path()).touch("gate");
  CHECK(daemon.wait_for_body("/", "two"));  // what was begun went on

  daemon.add_app("bad", "routes = [\"/bad\"]").write("app.py", "1 / 0\n");
  CHECK(eventually([&] {
    const Answer status = daemon.status("bad");
    return status.ok() && status.text("/state") == "failed";
  }));
  CHECK(daemon.ctl({"reload", "bad"}).status == 1);
  CHECK(daemon.ctl({"status", "bad"}).status == 3);
}

TEST_CASE("list is a row per app, also as JSON, and status is a page") {
  const Blog blog;
  const Finished table = blog.daemon.ctl({"list"});
  CHECK(contains(table.output, "blog"));
  CHECK(contains(table.output, "running"));
  CHECK_FALSE(contains(table.output, "\x1b["));  // plain when it is not on a terminal
  const Finished json = blog.daemon.ctl({"list", "--json"});
  CHECK(contains(json.output, "\"generation\""));
  for (const char* word : {"status", "show", "why", "compat", "generations", "logs", "check"}) {
    CAPTURE(word);
    const Finished page = blog.daemon.ctl({word, "blog"});
    CHECK_MESSAGE(page.status == 0, page.errors);
  }
  for (const char* word : {"hosts", "events", "doctor", "status"}) {
    CAPTURE(word);
    CHECK(blog.daemon.ctl({word}).status == 0);
  }
}

TEST_CASE("check imports the code on the disk and switches nothing") {
  const Blog blog("reload = \"off\"");
  blog.app.write("app.py", "import nothing_of_this_name\n");
  const Finished check = blog.daemon.ctl({"check", "blog"});
  CHECK(check.status != 0);
  CHECK(contains(check.output + check.errors, "nothing_of_this_name"));
  CHECK(blog.daemon.get("/").body == "one");
  CHECK(blog.daemon.generation("blog") == 1);
}

TEST_CASE("a second daemon for the same folder refuses to start and names the first") {
  Blog blog;
  const Finished second = run(
      {{program("moultd"), "--config", blog.daemon.config_folder(), "--state", blog.daemon.state_folder()},
       blog.daemon.environment(),
       {},
       {},
       {}},
      blog.daemon.folder().path().string());
  CHECK(second.status != 0);
  CHECK(contains(second.errors, std::to_string(blog.daemon.pid())));
  CHECK(blog.daemon.get("/").body == "one");
}

TEST_CASE("ensure from two shells at once starts exactly one daemon, and both say it is ready") {
  DaemonProcess daemon;
  daemon.environment()["XDG_CONFIG_HOME"] = daemon.folder() / "xdg";
  std::filesystem::create_directories(daemon.folder() / "xdg");
  std::filesystem::create_directory_symlink(daemon.config_folder(), daemon.folder() / "xdg/moult");
  daemon.add_app("blog").write("app.py", answers("one"));
  const Detached end{daemon};
  Finished first;
  Finished second;
  std::thread other([&] { first = daemon.ctl({"ensure"}); });
  second = daemon.ctl({"ensure"});
  other.join();
  CHECK_MESSAGE(first.status == 0, first.errors);
  CHECK_MESSAGE(second.status == 0, second.errors);
  const int pid = static_cast<int>(daemon.call("version").number("/pid"));
  CHECK(daemon.call("list").text("/apps/0/state") == "running");
  CHECK(daemon.ctl({"ensure"}).status == 0);
  CHECK(static_cast<int>(daemon.call("version").number("/pid")) == pid);
}

TEST_CASE("ensure says why when the config is wrong") {
  DaemonProcess daemon;
  daemon.environment()["XDG_CONFIG_HOME"] = daemon.folder() / "xdg";
  std::filesystem::create_directories(daemon.folder() / "xdg");
  std::filesystem::create_directory_symlink(daemon.config_folder(), daemon.folder() / "xdg/moult");
  daemon.write_daemon_config("lisen = \"127.0.0.1:0\"\n");
  const Finished ensure = daemon.ctl({"ensure"});
  CHECK(ensure.status != 0);
  CHECK(contains(ensure.errors + ensure.output, "moult.toml"));
}

TEST_CASE("promise 1: shutdown and SIGTERM let the calls in flight finish, and leave nothing behind") {
  for (const bool by_signal : {false, true}) {
    CAPTURE(by_signal);
    DaemonProcess daemon;
    daemon.add_app("blog").write(
        "app.py", answers_after("environ['PATH_INFO'] == '/slow' and time.sleep(0.7)", "whole"));
    daemon.start();
    HttpConnection slow(daemon.address());
    slow.send(get_request("/slow"));
    CHECK(eventually([&] { return daemon.status("blog").number("/calls/running") == 1; }));
    if (by_signal) {
      daemon.send_signal(SIGTERM);
    } else {
      CHECK(daemon.call("shutdown").ok());
    }
    CHECK(slow.read_response().body == "whole");
    CHECK(daemon.wait_for_exit() == 0);
    CHECK(eventually([&] { return daemon.processes().empty(); }));
    CHECK_FALSE(std::filesystem::exists(daemon.socket_path()));
  }
}

TEST_CASE("a shutdown waits for no app that was stopped before it") {
  DaemonProcess daemon;
  daemon.add_app("blog", "routes = [\"/blog\"]").write("app.py", answers("one"));
  daemon.add_app("shop", "routes = [\"/shop\"]").write("app.py", answers("two"));
  daemon.start();
  CHECK(daemon.ctl({"stop", "blog"}).status == 0);
  CHECK(daemon.call("shutdown").ok());
  CHECK(daemon.wait_for_exit() == 0);
  CHECK_FALSE(contains(daemon.log(), "the deadline of the shutdown has passed"));
}

TEST_CASE("a killed daemon leaves no host behind, and the next one starts over its stale files") {
  Blog blog;
  blog.daemon.kill();
  CHECK(eventually([&] { return blog.daemon.processes().empty(); }));
  blog.daemon.start();
  CHECK(blog.daemon.get("/").body == "one");
}

TEST_CASE("a second SIGTERM ends the daemon at once, whatever its calls do") {
  DaemonProcess daemon;
  daemon.add_app("blog").write("app.py", answers_after("time.sleep(60)", "never"));
  daemon.start();
  HttpConnection slow(daemon.address());
  slow.send(get_request("/"));
  CHECK(eventually([&] { return daemon.status("blog").number("/calls/running") == 1; }));
  daemon.send_signal(SIGTERM);
  CHECK(eventually([&] { return contains(daemon.log(), "stopping") || contains(daemon.log(), "shut"); }));
  daemon.send_signal(SIGTERM);
  CHECK(daemon.wait_for_exit().has_value());
  CHECK(eventually([&] { return daemon.processes().empty(); }));
}

TEST_CASE("events stream with a cursor, and a cursor of another run gives a gap") {
  const Blog blog;
  const Answer all = blog.daemon.call("events");
  const std::string cursor = all.text("/cursor");
  CHECK(blog.daemon.call("reload", R"({"app":"blog"})").ok());
  const Answer after = blog.daemon.call("events", R"({"since":)" + json_text(cursor) + "}");
  CHECK(contains(after.raw(), "generation.active"));
  CHECK(contains(blog.daemon.call("events", R"({"since":"c:0:1"})").text("/events/0/event"), "gap"));
}

TEST_CASE("curl on the control socket reads and cannot change") {
  const Blog blog;
  const std::string address = "unix:" + blog.daemon.socket_path();
  CHECK(contains(get(address, "/v1/apps").body, "\"blog\""));
  CHECK(post(address, "/v1/apps", "{}").status == 405);
}

TEST_CASE("moultd check names file and line and exits with 5") {
  DaemonProcess daemon;
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhots = 1\n");
  const Finished check =
      run({{program("moultd"), "check", daemon.config_folder()}, daemon.environment(), {}, {}, {}},
          daemon.folder().path().string());
  CHECK(check.status == 5);
  CHECK(contains(check.output + check.errors, "moult.toml:2"));
  CHECK(contains(check.output + check.errors, "hosts"));
}

TEST_CASE("a megabyte of brackets on a control socket is refused, and the daemon lives") {
  Blog blog;
  const std::string deep = std::string(400'000, '[') + std::string(400'000, ']');
  for (const char* socket : {"control.sock", "status.sock"}) {
    ControlClient client(blog.daemon.folder() / (std::string("run/") + socket));
    for (const std::string& line :
         {deep, R"({"jsonrpc":"2.0","id":)" + deep + R"(,"method":"list"})",
          R"({"jsonrpc":"2.0","id":1,"method":"list","params":)" + deep + "}",
          R"({"jsonrpc":"2.0","id":1,"method":"call","params":{"app":"blog","function":"f","args":)" + deep +
              "}}"}) {
      CHECK(contains(client.send_line(line).error_message(), "nested deeper than 64 levels"));
    }
  }
  const std::string text = R"({"app":"blog","function":"f","args_json":")" + deep + "\"}";
  CHECK(contains(blog.daemon.call("call", text).error_message(), "nested deeper than 64 levels"));
  CHECK(blog.daemon.get("/").body == "one");
}
