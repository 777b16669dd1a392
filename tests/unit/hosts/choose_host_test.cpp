#include "daemon/hosts/host_pool.h"

#include <doctest/doctest.h>

using namespace moult;

namespace {

constexpr bool kFresh = true;
constexpr bool kAny = false;
constexpr bool kGroup = true;
constexpr bool kAlone = false;

HostLoad host(int number, std::size_t interpreters) { return {number, interpreters, false, false}; }
HostLoad current(HostLoad load) {
  load.is_current = true;
  return load;
}
HostLoad with_group(HostLoad load) {
  load.has_group = true;
  return load;
}

}  // namespace

TEST_CASE("without a host that fits a new one is started") {
  CHECK(choose_host({}, 1, kAny, kAlone) == 0);
  CHECK(choose_host({}, 4, kAny, kGroup) == 0);
}

TEST_CASE("hosts are started until there are as many as allowed, then the emptiest is taken") {
  CHECK(choose_host({host(1, 5)}, 2, kAny, kAlone) == 0);
  CHECK(choose_host({host(1, 5), host(2, 3)}, 2, kAny, kAlone) == 2);
  CHECK(choose_host({host(1, 3), host(2, 5)}, 2, kAny, kAlone) == 1);
  CHECK(choose_host({host(7, 40)}, 1, kAny, kAlone) == 7);
}

TEST_CASE("of hosts with equal loads the older one is taken") {
  CHECK(choose_host({host(3, 2), host(4, 2), host(5, 2)}, 3, kAny, kAlone) == 3);
}

TEST_CASE("an app stays in the host where it lives, however full that is") {
  CHECK(choose_host({host(1, 0), current(host(2, 50))}, 4, kAny, kAlone) == 2);
  CHECK(choose_host({host(1, 0), current(host(2, 50))}, 1, kAny, kAlone) == 2);
}

TEST_CASE("an app of a group goes where its group is") {
  CHECK(choose_host({host(1, 0), with_group(host(2, 9))}, 4, kAny, kGroup) == 2);
  CHECK(choose_host({host(1, 0), with_group(host(2, 9))}, 1, kAny, kGroup) == 2);
}

TEST_CASE("an app without a group is not drawn to a host by its groups") {
  CHECK(choose_host({host(1, 0), with_group(host(2, 9))}, 2, kAny, kAlone) == 1);
}

TEST_CASE("an app that gets a group moves to it") {
  CHECK(choose_host({with_group(host(1, 0)), current(host(2, 9))}, 2, kAny, kGroup) == 1);
  CHECK(choose_host({with_group(host(1, 0)), current(with_group(host(2, 9)))}, 2, kAny, kGroup) == 2);
  CHECK(choose_host({host(1, 0), current(host(2, 9))}, 2, kAny, kGroup) == 2);
}

TEST_CASE("a fresh host is always a new one") {
  CHECK(choose_host({current(with_group(host(1, 0)))}, 1, kFresh, kGroup) == 0);
}

TEST_CASE("when more hosts live than are now allowed, none is added") {
  CHECK(choose_host({host(1, 4), host(2, 1), host(3, 2)}, 1, kAny, kAlone) == 2);
}
