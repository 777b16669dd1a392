#include "control/event_log.h"

#include "recorded_reply.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace moult::control;

namespace {

struct Bench {
  uv::Loop loop;
  EventLog log{loop, "b1", 8};
  Methods methods;

  Bench() { log.serve(methods); }
  std::shared_ptr<RecordedChannel> ask(const Json& params) {
    auto channel = std::make_shared<RecordedChannel>();
    methods.call("events", params, Access::read, Reply(channel));
    return channel;
  }
};

}  // namespace

TEST_CASE("events without follow are those kept, and a cursor to go on from") {
  Bench bench;
  bench.log.add("app.added", "blog");
  bench.log.add("generation.active", "blog", {{"generation", 1}});
  const auto all = bench.ask(Json::object());
  CHECK(all->result["events"].size() == 2);
  CHECK(all->result["cursor"] == "c:b1:2");
  const auto some = bench.ask({{"filter", "generation.*"}});
  REQUIRE(some->result["events"].size() == 1);
  CHECK(some->result["events"][0]["data"]["generation"] == 1);
  const auto none = bench.ask({{"app", "shop"}});
  CHECK(none->result["events"].empty());
  CHECK(none->result["cursor"] == "c:b1:2");
}

TEST_CASE("a limit stops at an event whose cursor goes on with the next") {
  Bench bench;
  for (int i = 0; i < 5; ++i) bench.log.add("app.state", "blog");
  const auto first = bench.ask({{"limit", 2}});
  CHECK(first->result["events"].size() == 2);
  const auto second = bench.ask({{"since", first->result["cursor"]}});
  REQUIRE(second->result["events"].size() == 3);
  CHECK(second->result["events"][0]["seq"] == 3);
}

TEST_CASE("a cursor that is too old gives a gap notice first") {
  Bench bench;
  for (int i = 0; i < 20; ++i) bench.log.add("app.state", "blog");
  const auto answer = bench.ask({{"since", "c:b1:2"}});
  REQUIRE(answer->result["events"].size() == 9);
  CHECK(answer->result["events"][0]["event"] == "gap");
  CHECK(answer->result["events"][0]["lost"] == 10);
  CHECK(answer->result["events"][0]["cursor"] == "c:b1:12");
  const auto other = bench.ask({{"since", "c:zz:2"}});
  CHECK(other->result["events"][0]["lost"].is_null());
}

TEST_CASE("a follower gets what comes, and nothing after it has gone") {
  Bench bench;
  bench.log.add("app.state", "blog");
  const auto stream = bench.ask({{"follow", true}, {"app", "blog"}});
  CHECK(stream->events.empty());
  bench.log.add("app.state", "blog", {{"state", "running"}});
  bench.log.add("app.state", "shop");
  REQUIRE(stream->events.size() == 1);
  CHECK(stream->events[0]["data"]["state"] == "running");
  REQUIRE(stream->gone);
  std::exchange(stream->gone, nullptr)();
  bench.log.add("app.state", "blog");
  CHECK(stream->events.size() == 1);
}

TEST_CASE("a follower with a cursor gets the past first") {
  Bench bench;
  bench.log.add("a", "");
  bench.log.add("b", "");
  const auto stream = bench.ask({{"follow", true}, {"since", "c:b1:1"}});
  bench.log.add("c", "");
  REQUIRE(stream->events.size() == 2);
  CHECK(stream->events[0]["event"] == "b");
  CHECK(stream->events[1]["event"] == "c");
  CHECK(stream->answers == 0);
}

TEST_CASE("a follower's stream ends at its limit and with the daemon") {
  Bench bench;
  const auto two = bench.ask({{"follow", true}, {"limit", 2}});
  const auto other = bench.ask({{"follow", true}});
  for (int i = 0; i < 4; ++i) bench.log.add("a", "");
  CHECK(two->events.size() == 2);
  CHECK(two->result["cursor"] == "c:b1:2");
  CHECK(other->events.size() == 4);
  bench.log.end_streams();
  CHECK(two->answers == 1);
  CHECK(other->answers == 1);
}

TEST_CASE("a wrong cursor and a limit of nothing are refused") {
  Bench bench;
  CHECK(bench.ask({{"since", "yesterday"}})->error["data"]["field"] == "since");
  CHECK(bench.ask({{"limit", 0}})->error["data"]["field"] == "limit");
}
