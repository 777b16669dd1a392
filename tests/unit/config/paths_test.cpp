#include "daemon/config/paths.h"

#include "config_folder.h"

#include <sys/stat.h>
#include <unistd.h>

using namespace moult;

namespace {

Surroundings at_home() {
  Surroundings from;
  from.home = "/home/bob";
  from.uid = 1000;
  from.hostname = "web1";
  return from;
}

}  // namespace

TEST_CASE("folders are below home unless XDG says otherwise") {
  Surroundings from = at_home();
  CHECK(config_folder(from) == "/home/bob/.config/moult");
  CHECK(state_folder(from) == "/home/bob/.local/state/moult");
  CHECK(cache_folder(from) == "/home/bob/.cache/moult");
  from.environment = {
      {"XDG_CONFIG_HOME", "/etc/bob"}, {"XDG_STATE_HOME", "/var/bob"}, {"XDG_CACHE_HOME", "/tmp/bob"}};
  CHECK(config_folder(from) == "/etc/bob/moult");
  CHECK(state_folder(from) == "/var/bob/moult");
  CHECK(cache_folder(from) == "/tmp/bob/moult");
  from.environment = {{"XDG_CONFIG_HOME", "relative"}, {"XDG_STATE_HOME", ""}};
  CHECK(config_folder(from) == "/home/bob/.config/moult");
  CHECK(state_folder(from) == "/home/bob/.local/state/moult");
}

TEST_CASE("the socket is in the runtime folder only when systemd started the daemon") {
  Surroundings from = at_home();
  CHECK(socket_paths(from)->control == "/home/bob/.moult/run/web1/control.sock");
  CHECK(socket_paths(from)->status == "/home/bob/.moult/run/web1/status.sock");
  CHECK(socket_paths(from)->own_folder);
  from.environment = {{"XDG_RUNTIME_DIR", "/run/user/1000"}};
  CHECK(socket_paths(from)->control == "/home/bob/.moult/run/web1/control.sock");
  from.environment["INVOCATION_ID"] = "abc";
  CHECK(socket_paths(from)->control == "/run/user/1000/moult/control.sock");
  CHECK(socket_paths(from)->folder == "/run/user/1000/moult");
}

TEST_CASE("a named socket has its status socket beside it") {
  Surroundings from = at_home();
  from.environment = {{"MOULT_SOCKET", "/srv/m/control.sock"}};
  CHECK(socket_paths(from)->status == "/srv/m/status.sock");
  CHECK_FALSE(socket_paths(from)->own_folder);
  from.environment["MOULT_SOCKET"] = "/srv/m/a.sock";
  CHECK(socket_paths(from)->status == "/srv/m/a-status.sock");
  from.environment["MOULT_SOCKET"] = "/a.sock";
  CHECK(socket_paths(from)->status == "/a-status.sock");
  CHECK(socket_paths(from)->folder == "/");
}

TEST_CASE("a socket path that cannot be bound is a clear error") {
  Surroundings from = at_home();
  from.environment = {{"MOULT_SOCKET", "m.sock"}};
  CHECK(contains(socket_paths(from).error().message, "absolute"));
  from.environment.clear();
  from.home = "/" + std::string(90, 'h');
  const auto paths = socket_paths(from);
  REQUIRE_FALSE(paths);
  CHECK(contains(paths.error().message, "too many"));
  CHECK(contains(paths.error().hint, "107"));
  CHECK(check_socket_path(std::string(107, 'x')));
  CHECK_FALSE(check_socket_path(std::string(108, 'x')));
}

TEST_CASE("the lock depends on home, machine and config folder alone") {
  Surroundings from = at_home();
  const std::string lock = lock_path(from, "/home/bob/.config/moult");
  from.environment = {{"XDG_RUNTIME_DIR", "/run/user/1000"}, {"INVOCATION_ID", "x"}, {"MOULT_SOCKET", "/s"}};
  CHECK(lock_path(from, "/home/bob/.config/moult") == lock);
  CHECK(lock_path(from, "/home/bob/other") != lock);
  from.hostname = "web2";
  CHECK(lock_path(from, "/home/bob/.config/moult") != lock);
}

TEST_CASE("paths become absolute as text") {
  const auto path = [](std::string_view text) { return absolute_path(text, "/etc/m/apps", "/home/bob"); };
  CHECK(path("x") == "/etc/m/apps/x");
  CHECK(path("../../x/./y//z/") == "/etc/x/y/z");
  CHECK(path("/a/../../b") == "/b");
  CHECK(path("/..") == "/");
  CHECK(path("~") == "/home/bob");
  CHECK(path("~/x") == "/home/bob/x");
  CHECK_FALSE(path(""));
  CHECK_FALSE(path("~bob/x"));
  CHECK_FALSE(path(std::string_view("a\0b", 3)));
}

TEST_CASE("a private folder is made and made private") {
  ConfigFolder folder;
  const std::string path = folder.path("run/deep");
  REQUIRE(make_private_folder(path, ::getuid()));
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0700);
  REQUIRE(::chmod(path.c_str(), 0755) == 0);
  REQUIRE(make_private_folder(path, ::getuid()));
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0700);
  const auto foreign = make_private_folder(path, ::getuid() + 1);
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().code == ErrorCode::denied);
}
