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

TEST_CASE("the first answer is given, later ones are dropped") {
  Bench bench;
  const auto pending = bench.pending(kLong);
  CHECK(pending->is_open());
  pending->ok({{"a", 1}});
  CHECK_FALSE(pending->is_open());
  pending->ok({{"a", 2}});
  pending->fail({ErrorCode::failed, "late"});
  CHECK(bench.channel->answers == 1);
  CHECK(bench.channel->result["a"] == 1);
}

TEST_CASE("a failure carries its code and what is added to it") {
  Bench bench;
  bench.pending(kLong)->fail({ErrorCode::code_rejected, "no"}, {{"generation", 3}});
  CHECK(bench.code() == "code_rejected");
  CHECK(bench.channel->error["data"]["generation"] == 3);
  CHECK(bench.channel->error["message"] == "no");
}

TEST_CASE("the deadline answers that the operation goes on") {
  Bench bench;
  bench.pending(Milliseconds(1));
  bench.loop.run();
  CHECK(bench.channel->answers == 1);
  CHECK(bench.code() == "timed_out");
  CHECK(bench.channel->error["message"] == "the test took longer than 0.001 s; it goes on");
}

TEST_CASE("an answer ends the wait for the deadline") {
  Bench bench;
  bench.pending(kLong)->ok(Json::object());
  bench.loop.run();  // would run for an hour
  CHECK(bench.channel->answers == 1);
}

TEST_CASE("an answer makes an end of the object once its operation lets go of it") {
  Bench bench;
  auto pending = bench.pending(kLong);
  const std::weak_ptr<Pending> left = pending;
  pending->ok(Json::object());
  pending.reset();
  CHECK(left.expired());
}

TEST_CASE("the deadline makes an end of the object too") {
  Bench bench;
  const std::weak_ptr<Pending> left = bench.pending(Milliseconds(1));
  CHECK_FALSE(left.expired());
  bench.loop.run();
  CHECK(left.expired());
}

TEST_CASE("what is done already is asked once and answered at once") {
  Bench bench;
  int asked = 0;
  Pending::poll(bench.pending(kLong), [&](Pending& self) {
    ++asked;
    self.ok(Json::object());
    return true;
  });
  CHECK(bench.channel->answers == 1);
  bench.loop.run();
  CHECK(asked == 1);
}

TEST_CASE("a time-out is in seconds, with a default and bounds") {
  CHECK(timeout_of(Json::object(), Seconds(120)) == Milliseconds(120'000));
  CHECK(timeout_of({{"timeout", 3}}, Seconds(120)) == Milliseconds(3'000));
  CHECK(timeout_of({{"timeout", 0.25}}, Seconds(120)) == Milliseconds(250));
  CHECK(timeout_of({{"timeout", 0}}, Seconds(120)) == Milliseconds(0));
  CHECK(timeout_of({{"timeout", 1e300}}, Seconds(120)) == Milliseconds(86'400'000));
  CHECK(timeout_of({{"timeout", -5}}, Seconds(120)) == Milliseconds(0));
}

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
