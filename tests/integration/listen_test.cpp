// Where the daemon listens: ports and sockets that are taken, stale, or not everybody's; what a wrong
// config does at the start.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <string>

using namespace moult::testing;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// A server of somebody else: it listens and never answers. Ends with its scope; a unix socket's file stays.
class Stranger {
 public:
  Stranger() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_on(reinterpret_cast<const sockaddr*>(&name), sizeof name);
    socklen_t size = sizeof name;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &size);
    address_ = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
  }
  explicit Stranger(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
    listen_on(reinterpret_cast<const sockaddr*>(&name), sizeof name);
    address_ = "unix:" + path;
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  ~Stranger() { ::close(fd_); }

  const std::string& address() const { return address_; }

 private:
  void listen_on(const sockaddr* name, socklen_t size) const {
    if (::bind(fd_, name, size) != 0 || ::listen(fd_, 8) != 0) throw std::runtime_error("no listener");
  }

  int fd_;
  std::string address_;
};

// moultd with the config of this one, up to its end.
Finished run_daemon(const DaemonProcess& daemon, std::map<std::string, std::string> environment) {
  return run({{program("moultd"), "--config", daemon.config_folder(), "--state", daemon.state_folder()},
              std::move(environment),
              {},
              {},
              {}},
             daemon.folder().path().string());
}

struct stat about(const std::string& path) {
  struct stat result {};
  if (::stat(path.c_str(), &result) != 0) throw std::runtime_error("not there: " + path);
  return result;
}

// A group that this process may give a file to, other than its own where there is one.
const ::group* some_group() {
  if (::geteuid() == 0) return ::getgrnam("daemon");
  return ::getgrgid(::getegid());
}

}  // namespace

TEST_CASE("a port that another program has is an error at the start that names the address") {
  DaemonProcess daemon;
  daemon.add_app("blog").write("app.py", answers("one"));
  const Stranger stranger;
  daemon.write_daemon_config("listen = " + json_text(stranger.address()) + "\n");
  const Finished started = run_daemon(daemon, daemon.environment());
  CHECK(started.status == 1);
  CHECK_MESSAGE(contains(started.errors, stranger.address()), started.errors);
  CHECK(contains(started.errors, "in use"));
}

TEST_CASE("a config reload that wants a port of another program changes nothing") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "threads = 2");
  app.write("app.py", answers("one"));
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nreload = \"off\"\n");
  daemon.start();
  const Stranger stranger;
  daemon.write_daemon_config("listen = [\"127.0.0.1:0\", " + json_text(stranger.address()) +
                             "]\nreload = \"off\"\n");
  daemon.write_app_config("blog", app.path(), "threads = 3");
  const Answer refused = daemon.call("config.reload");
  CHECK_FALSE(refused.ok());
  CHECK_MESSAGE(contains(refused.raw(), stranger.address()), refused.raw());
  CHECK(daemon.get("/").body == "one");
  CHECK(daemon.generation("blog") == 1);
  CHECK(daemon.status("blog").number("/workers/total") == 2);
}

TEST_CASE("a unix socket has the mode and the group that were asked for") {
  const ::group* const group = some_group();
  REQUIRE(group != nullptr);
  DaemonProcess daemon;
  const std::string path = daemon.folder() / "web.sock";
  daemon.write_daemon_config("listen = [\"127.0.0.1:0\", { unix = " + json_text(path) +
                             ", mode = \"0620\", group = " + json_text(group->gr_name) + " }]\n");
  daemon.add_app("blog").write("app.py", answers("one"));
  const gid_t gid = group->gr_gid;
  daemon.start();
  CHECK((about(path).st_mode & 07777U) == 0620U);
  CHECK(about(path).st_gid == gid);
  CHECK(get("unix:" + path, "/").body == "one");
  CHECK(daemon.stop() == 0);
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a group that nobody knows is an error at the start, and no socket is left") {
  DaemonProcess daemon;
  const std::string path = daemon.folder() / "web.sock";
  daemon.write_daemon_config("listen = { unix = " + json_text(path) + ", group = \"no-such-group\" }\n");
  const Finished started = run_daemon(daemon, daemon.environment());
  CHECK(started.status != 0);
  CHECK_MESSAGE(contains(started.errors, "no-such-group"), started.errors);
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a unix socket that a dead server left is replaced") {
  DaemonProcess daemon;
  const std::string path = daemon.folder() / "web.sock";
  { const Stranger dead(path); }
  REQUIRE(std::filesystem::is_socket(path));
  daemon.write_daemon_config("listen = [\"127.0.0.1:0\", " + json_text("unix:" + path) + "]\n");
  daemon.add_app("blog").write("app.py", answers("one"));
  daemon.start();
  CHECK(get("unix:" + path, "/").body == "one");
}

TEST_CASE("a unix socket where another server answers is refused and left alone") {
  DaemonProcess daemon;
  const std::string path = daemon.folder() / "web.sock";
  const Stranger alive(path);
  const ino_t before = about(path).st_ino;
  daemon.write_daemon_config("listen = " + json_text("unix:" + path) + "\n");
  const Finished started = run_daemon(daemon, daemon.environment());
  CHECK(started.status == 1);
  CHECK_MESSAGE(contains(started.errors, path), started.errors);
  CHECK(about(path).st_ino == before);
}

TEST_CASE("a file that is no socket is never replaced by one") {
  DaemonProcess daemon;
  AppTree(daemon.folder().path()).write("web.sock", "precious");
  daemon.write_daemon_config("listen = " + json_text("unix:" + (daemon.folder() / "web.sock")) + "\n");
  const Finished started = run_daemon(daemon, daemon.environment());
  CHECK(started.status == 1);
  CHECK_MESSAGE(contains(started.errors, "no socket"), started.errors);
  CHECK(read_file(daemon.folder() / "web.sock") == "precious");
}

TEST_CASE("a daemon over a broken config ends with 5 and names each error with file and line") {
  DaemonProcess daemon;
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhots = 1\n");
  daemon.add_app("blog", "threds = 2").write("app.py", answers("one"));
  daemon.write_app_config("shop", daemon.folder() / "no-such-folder", "");
  const Finished started = run_daemon(daemon, daemon.environment());
  CHECK(started.status == 5);
  CHECK_MESSAGE(contains(started.errors, "moult.toml:2"), started.errors);
  CHECK_MESSAGE(contains(started.errors, "blog.toml:3"), started.errors);
  CHECK_MESSAGE(contains(started.errors, "shop.toml:1"), started.errors);
  CHECK(contains(started.errors, "threads"));
  CHECK_FALSE(std::filesystem::exists(daemon.socket_path()));
}

namespace {

// What systemd is for a service with a socket unit: it has the sockets, and starts the daemon anew when it
// ends. A TCP socket that no config names and a descriptor that is no socket are passed as well.
constexpr const char* kKeeper = R"(
import os, socket, sys
path = sys.argv[1]
web = socket.socket(socket.AF_UNIX)
web.bind(path)
other = socket.socket()
other.bind(("127.0.0.1", 0))
web.listen(), other.listen()
null = os.open("/dev/null", os.O_RDONLY)
while True:
    pid = os.fork()
    if pid == 0:
        spare = [os.dup(fd) for fd in (web.fileno(), other.fileno(), null)]
        for number, fd in enumerate(spare, 3):
            os.dup2(fd, number)
        os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"] = str(os.getpid()), "3"
        os.execvp(sys.argv[2], sys.argv[2:])
    with open(path + ".new", "w") as file:
        file.write(str(pid))
    os.rename(path + ".new", path + ".pid")
    os.waitpid(pid, 0)
)";

}  // namespace

TEST_CASE("sockets that systemd passes on refuse nobody while the daemon is started anew") {
  DaemonProcess daemon;
  const std::string path = daemon.folder() / "web.sock";
  daemon.starter() = {"/usr/bin/python3", "-c", kKeeper, path};
  daemon.write_daemon_config("listen = [\"127.0.0.1:0\", " + json_text("unix:" + path) + "]\n");
  daemon.add_app("blog").write("app.py", answers("one"));
  daemon.start();
  CHECK(get("unix:" + path, "/").body == "one");
  CHECK(daemon.logs("but no `listen` of the configuration names it"));
  CHECK(daemon.logs("is no TCP socket or unix stream socket that listens"));
  const ino_t before = about(path).st_ino;
  for (int restart = 0; restart < 3; ++restart) {
    const std::string pid = read_file(path + ".pid");
    ::kill(std::stoi(pid), SIGTERM);
    // Each is a new connection; while no daemon runs it waits for the next one.
    REQUIRE(eventually([&] {
      const int status = get("unix:" + path, "/").status;
      CHECK_MESSAGE((status == 200 || status == 503), status);
      return status == 200 && read_file(path + ".pid") != pid;
    }));
  }
  CHECK(get("unix:" + path, "/").body == "one");
  CHECK(about(path).st_ino == before);
}

TEST_CASE("a daemon whose socket folders somebody removed is still the only one of its config") {
  DaemonProcess daemon;
  daemon.write_daemon_config("listen = \"127.0.0.1:0\"\n");
  daemon.add_app("blog").write("app.py", answers("one"));
  daemon.start();
  std::filesystem::remove_all(std::filesystem::path(daemon.socket_path()).parent_path());
  std::filesystem::remove_all(daemon.folder() / "home/.moult/run");
  const Finished second = run_daemon(daemon, daemon.environment());
  CHECK(second.status == 1);
  CHECK_MESSAGE(contains(second.errors, "another moultd (pid " + std::to_string(daemon.pid())),
                second.errors);
  CHECK(daemon.get("/").body == "one");
}
