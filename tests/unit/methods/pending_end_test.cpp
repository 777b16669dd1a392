#include "daemon/methods/pending.h"

#include "tests/unit/control/recorded_reply.h"

#include <doctest/doctest.h>

using namespace moult;
using control::Json;
using control::RecordedChannel;

namespace {

constexpr Milliseconds kLong{3'600'000};

struct Bench {
  uv::Loop loop;
  std::shared_ptr<RecordedChannel> channel = std::make_shared<RecordedChannel>();

  std::shared_ptr<Pending> pending(Milliseconds deadline) {
    return Pending::make(loop, control::Reply(channel), deadline, "the test");
  }
  std::string code() const { return channel->error["data"].value("code", ""); }
};

}  // namespace

TEST_CASE("what is not done yet is asked again until it is, and nothing is left of it then") {
  Bench bench;
  int asked = 0;
  std::weak_ptr<Pending> left;
  {
    const auto pending = bench.pending(kLong);
    left = pending;
    Pending::poll(pending, [&](Pending& self) {
      if (++asked < 3) return false;
      self.ok({{"asked", asked}});
      return true;
    });
  }
  bench.loop.run();
  CHECK(bench.channel->result["asked"] == 3);
  CHECK(left.expired());
}

TEST_CASE("asking ends with the deadline, and nothing is left of it then") {
  Bench bench;
  std::weak_ptr<Pending> left;
  {
    const auto pending = bench.pending(Milliseconds(50));
    left = pending;
    Pending::poll(pending, [](Pending&) { return false; });
  }
  bench.loop.run();
  CHECK(bench.code() == "timed_out");
  CHECK(left.expired());
}

TEST_CASE("asking ends when the client goes, and nothing is left of it then") {
  Bench bench;
  int asked = 0;
  std::weak_ptr<Pending> left;
  {
    const auto pending = bench.pending(kLong);
    left = pending;
    Pending::poll(pending, [&](Pending&) {
      ++asked;
      return false;
    });
  }
  REQUIRE(bench.channel->gone);
  bench.channel->gone();
  CHECK(left.expired());
  bench.loop.run();  // would run for an hour
  CHECK(asked == 1);
}

TEST_CASE("an operation that ends after its client has gone answers nobody") {
  Bench bench;
  const auto pending = bench.pending(kLong);
  REQUIRE(bench.channel->gone);
  bench.channel->gone();
  CHECK_FALSE(pending->is_open());
  const int answers = bench.channel->answers;
  pending->ok(Json::object());
  CHECK(bench.channel->answers == answers);
}
