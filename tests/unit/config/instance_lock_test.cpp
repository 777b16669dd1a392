#include "daemon/config/instance_lock.h"

#include "config_folder.h"

using namespace moult;

TEST_CASE("a second daemon is told who runs already") {
  const ConfigFolder folder;
  const std::string path = folder.path("run/moultd.lock");
  const InstanceInfo info{123, "/run/m/control.sock", "/home/bob/.config/moult"};
  {
    const auto first = InstanceLock::acquire(path, info);
    REQUIRE(first);
    const auto second = InstanceLock::acquire(path, InstanceInfo{124, "/other", ""});
    REQUIRE_FALSE(second);
    CHECK(second.error().message == "another moultd (pid 123, socket /run/m/control.sock) runs already");
    const auto holder = lock_holder(path);
    REQUIRE(holder);
    CHECK(holder->pid == 123);
    CHECK(holder->config_folder == "/home/bob/.config/moult");
  }
  CHECK_FALSE(lock_holder(path));
  CHECK(InstanceLock::acquire(path, info));
}

TEST_CASE("a lock that moved is held by its new owner") {
  const ConfigFolder folder;
  const std::string path = folder.path("moultd.lock");
  auto first = InstanceLock::acquire(path, InstanceInfo{1, "s", "c"});
  REQUIRE(first);
  {
    const InstanceLock moved = std::move(*first);
    CHECK(lock_holder(path));
  }
  CHECK_FALSE(lock_holder(path));
}

TEST_CASE("what an older daemon left in the file is no holder") {
  ConfigFolder folder;
  const std::string path = folder.file("moultd.lock", to_text(InstanceInfo{99, "/old", "/c"}));
  CHECK_FALSE(lock_holder(path));
  CHECK_FALSE(lock_holder(folder.path("missing")));
  const auto lock = InstanceLock::acquire(path, InstanceInfo{7, "/new", "/c"});
  REQUIRE(lock);
  CHECK(lock_holder(path)->pid == 7);
}

TEST_CASE("the text of a lock file is read back, and odd text is nobody") {
  const InstanceInfo info{5, "/a socket", ""};
  CHECK(parse_instance_info(to_text(info)).socket == "/a socket");
  CHECK(parse_instance_info(to_text(info)).pid == 5);
  CHECK(parse_instance_info("").pid == 0);
  CHECK(parse_instance_info("pid\nsocket").pid == 0);
}
