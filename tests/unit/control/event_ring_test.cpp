#include "control/event_ring.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace moult;
using namespace moult::control;

namespace {

EventRing ring_with(int count, std::size_t capacity) {
  EventRing ring("b1", capacity);
  for (int i = 0; i < count; ++i) ring.add("app.state", "blog", R"({"n":1})", WallTime{});
  return ring;
}

}  // namespace

TEST_CASE("an event has name, number, cursor, time, app and data") {
  EventRing ring("b1", 8);
  const auto& entry = ring.add("generation.active", "bl\"og", R"({"generation":3})", WallTime{});
  const auto json = nlohmann::json::parse(entry.json);
  CHECK(json["event"] == "generation.active");
  CHECK(json["seq"] == 1);
  CHECK(json["cursor"] == "c:b1:1");
  CHECK(json["time"] == "1970-01-01T00:00:00.000Z");
  CHECK(json["app"] == "bl\"og");
  CHECK(json["data"]["generation"] == 3);
}

TEST_CASE("a cursor gives what came after it") {
  const EventRing ring = ring_with(5, 8);
  const auto past = ring.since("c:b1:3");
  REQUIRE(past);
  CHECK_FALSE(past->gap);
  REQUIRE(past->entries.size() == 2);
  CHECK(past->entries[0]->seq == 4);
  CHECK(ring.since(ring.cursor())->entries.empty());
  CHECK(ring.since("")->entries.size() == 5);
  CHECK_FALSE(ring.since("")->gap);
}

TEST_CASE("no more events are kept than the ring holds, and the gap says how many are lost") {
  const EventRing ring = ring_with(20, 8);
  const auto past = ring.since("c:b1:4");
  REQUIRE(past);
  CHECK(past->gap);
  CHECK(past->lost == 8u);  // 5 to 12
  CHECK(past->entries.size() == 8);
  CHECK_FALSE(ring.since("c:b1:12")->gap);
  CHECK(ring.since("c:b1:11")->gap);
}

TEST_CASE("a cursor of another run or of the future is a gap of unknown size") {
  const EventRing ring = ring_with(3, 8);
  for (const char* cursor : {"c:other:2", "c:b1:4"}) {
    const auto past = ring.since(cursor);
    REQUIRE(past);
    CHECK(past->gap);
    CHECK_FALSE(past->lost);
    CHECK(past->entries.size() == 3);
  }
}

TEST_CASE("what is no cursor is refused") {
  const EventRing ring = ring_with(1, 8);
  for (const char* text : {"x", "c:", "c::1", "c:b1:", "c:b1:x", "c:b1:1x", "c:b1:-1"})
    CHECK_FALSE(ring.since(text));
}

TEST_CASE("a filter knows apps and event names by pattern") {
  CHECK(EventFilter{}.wants("a.b", "blog"));
  CHECK(EventFilter{"blog", {}}.wants("a.b", "blog"));
  CHECK_FALSE(EventFilter{"blog", {}}.wants("a.b", "shop"));
  CHECK_FALSE(EventFilter{"blog", {}}.wants("host.died", ""));
  CHECK(EventFilter{"sh*", {"generation.*", "host.died"}}.wants("generation.active", "shop"));
  CHECK_FALSE(EventFilter{"", {"generation.*"}}.wants("app.state", "shop"));
}
