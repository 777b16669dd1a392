#include "daemon/hosts/blame.h"

#include <doctest/doctest.h>

using namespace moult;

namespace {

const Tenant kIdle{"idle", 1, 1, false, {}};
const Tenant kOther{"other", 2, 2, false, {}};
const Tenant kBusy{"busy", 3, 3, false, {{0, "GET /a"}}};
const Tenant kBusier{"busier", 4, 4, false, {{0, "GET /b"}, {2, "POST /c"}}};
const Tenant kLoading{"new", 5, 5, true, {}};

}  // namespace

TEST_CASE("the interpreter that got the signal is to blame, whatever else was at work") {
  const std::vector<Tenant> tenants{kIdle, kBusy, kBusier, kLoading};
  CHECK(blame_for_death(tenants, 3, false) ==
        Blame{"busy", 3, "its code crashed while GET /a of generation 3 ran"});
  CHECK(blame_for_death(tenants, 4, false) ==
        Blame{"busier", 4, "its code crashed while 2 calls of generation 4 ran"});
  CHECK(blame_for_death(tenants, 5, false) ==
        Blame{"new", 5, "its code crashed while generation 5 was loaded"});
  CHECK(blame_for_death(tenants, 1, false) ==
        Blame{"idle", 1, "its code crashed while no call of generation 1 ran: a thread of its own"});
}

TEST_CASE("without that word only one that was alone, or alone at work, is to blame for an end") {
  CHECK(blame_for_death({kIdle}, {}, true).app == "idle");
  CHECK(blame_for_death({kIdle}, {}, true).evidence.find("thread") == std::string::npos);
  CHECK(blame_for_death({kIdle, kBusy}, {}, false) ==
        Blame{"busy", 3, "it alone was at work, while GET /a of generation 3 ran"});
  CHECK(blame_for_death({kIdle, kLoading}, 99, false).app == "new");
  CHECK(blame_for_death({kIdle, kBusy, kLoading}, {}, false).app.empty());
  CHECK(blame_for_death({kIdle, kOther}, {}, false).app.empty());
  CHECK(blame_for_death({}, {}, false).app.empty());
}

TEST_CASE("a SIGKILL says nothing of those who were at work") {
  CHECK(blame_for_death({kIdle, kBusy}, {}, true).app.empty());
}

TEST_CASE("who keeps the GIL is named with the call, the function, the import or the thread") {
  const std::vector<Tenant> tenants{kIdle, kBusier, kLoading};
  CHECK(blame_for_stall(tenants, {4, "call", 2, {}}) ==
        Blame{"busier", 4, "POST /c of generation 4 keeps the GIL of its host"});
  CHECK(blame_for_stall(tenants, {4, "call", 1, {}}).evidence ==
        "a thread of generation 4 keeps the GIL of its host");
  CHECK(blame_for_stall(tenants, {1, "function", {}, "held"}).evidence ==
        "held() of generation 1 keeps the GIL of its host");
  CHECK(blame_for_stall(tenants, {5, "import", {}, {}}).evidence ==
        "the import of generation 5 keeps the GIL of its host");
  CHECK(blame_for_stall(tenants, {0, "", {}, {}}).app.empty());
}
