#include "control/socket_search.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace moult::control;
using Paths = std::vector<std::string>;

namespace {

Surroundings of(std::map<std::string, std::string> environment) {
  return Surroundings{std::move(environment), 1000, "/home/ann", "web1"};
}

}  // namespace

TEST_CASE("all usual places are tried, the runtime folder first") {
  CHECK(socket_candidates(of({}), "") ==
        Paths{"/run/user/1000/moult/control.sock", "/home/ann/.moult/run/web1/control.sock"});
  CHECK(socket_candidates(of({{"XDG_RUNTIME_DIR", "/rt"}}), "") ==
        Paths{"/rt/moult/control.sock", "/run/user/1000/moult/control.sock",
              "/home/ann/.moult/run/web1/control.sock"});
  CHECK(socket_candidates(of({{"XDG_RUNTIME_DIR", "/run/user/1000"}}), "").size() == 2);
}

TEST_CASE("a socket that was named is the only one") {
  CHECK(socket_candidates(of({{"MOULT_SOCKET", "/x/s"}}), "") == Paths{"/x/s"});
  CHECK(socket_candidates(of({{"MOULT_SOCKET", "/x/s"}}), "/y") == Paths{"/y"});
  CHECK(socket_candidates(of({{"MOULT_SOCKET", ""}}), "").size() == 2);
}

TEST_CASE("when nobody answers the error lists what was tried") {
  const auto found = find_daemon({"/nowhere/a.sock", "/nowhere/b.sock"}, 1000);
  REQUIRE_FALSE(found);
  CHECK(found.error().code == ErrorCode::unreachable);
  CHECK(found.error().detail.find("/nowhere/a.sock") != std::string::npos);
  CHECK(found.error().detail.find("/nowhere/b.sock") != std::string::npos);
  CHECK(found.error().hint.find("moultctl ensure") != std::string::npos);
}
