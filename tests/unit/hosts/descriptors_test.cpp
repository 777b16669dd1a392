#include "daemon/hosts/descriptors.h"

#include "ipc/base/fd.h"
#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>

#include <unistd.h>

using namespace moult;

TEST_CASE("what a process has open is counted and told") {
  const std::uint64_t before = descriptors_of(::getpid(), Targets::no).open;
  const auto pair = make_pipe();
  REQUIRE(pair);
  const Descriptors now = descriptors_of(::getpid(), Targets::yes);
  CHECK(now.open == before + 2);
  CHECK(now.targets.size() == now.open);
  CHECK(now.limit >= now.open);
  CHECK(descriptors_of(0x7fffffff, Targets::yes).open == 0);
}

TEST_CASE("most of what is open is named, and how much of it lies in a folder") {
  const Descriptors descriptors{
      8, 9, {"/srv/a/log", "socket:[1]", "socket:[2]", "/srv/a/log", "/srv/a/log", "/srv/ab/x", "pipe:[3]"}};
  CHECK(describe(descriptors) == "8 of 9 are open, 3 of them /srv/a/log");
  CHECK(count_below(descriptors, "/srv/a") == 3);
  CHECK(describe({3, 4, {"socket:[1]", "socket:[2]", "/srv/a/log"}}) == "3 of 4 are open, 2 of them sockets");
  CHECK(describe({3, 4}) == "3 of 4 are open");
}

TEST_CASE("a process is full when a generation has no room any more") {
  CHECK(Descriptors{1010, 1024}.is_full());
  CHECK_FALSE(Descriptors{900, 1024}.is_full());
  CHECK_FALSE(Descriptors{900, 0}.is_full());
}
