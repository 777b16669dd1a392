#include "daemon/methods/events.h"

#include "tests/unit/control/recorded_reply.h"

#include <doctest/doctest.h>

using namespace moult;
using control::Json;
using control::RecordedChannel;

namespace {

struct Bench {
  uv::Loop loop;
  control::EventLog log{loop, "b1", 8};
  control::Methods methods;
  EventBridge bridge{log};

  Bench() { log.serve(methods); }
  Json events() {
    const auto channel = std::make_shared<RecordedChannel>();
    methods.call("events", Json::object(), control::Access::read, control::Reply(channel));
    return channel->result["events"];
  }
};

}  // namespace

TEST_CASE("each kind of fact becomes JSON of its kind") {
  Bench bench;
  bench.bridge.event("generation.made", "blog",
                     {{"generation", std::int64_t{14}},
                      {"seconds", 0.25},
                      {"isolation", std::string("shared")},
                      {"files", std::vector<std::string>{"a.py", "b.py"}}});
  const Json events = bench.events();
  REQUIRE(events.size() == 1);
  CHECK(events[0]["event"] == "generation.made");
  CHECK(events[0]["app"] == "blog");
  CHECK(events[0]["data"] ==
        Json{{"generation", 14}, {"seconds", 0.25}, {"isolation", "shared"}, {"files", {"a.py", "b.py"}}});
}

TEST_CASE("an event without facts has an empty object") {
  Bench bench;
  bench.bridge.event("daemon.stopping", "", {});
  CHECK(bench.events()[0]["data"] == Json::object());
}

TEST_CASE("a file whose name is no UTF-8 does not bring the daemon down") {
  Bench bench;
  bench.bridge.event("change.seen", "blog", {{"files", std::vector<std::string>{"caf\xe9.py"}}});
  CHECK(bench.events()[0]["data"]["files"][0] == "caf\xef\xbf\xbd.py");
}
