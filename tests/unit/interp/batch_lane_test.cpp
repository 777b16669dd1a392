#include "interp/channel/batch_lane.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

using namespace moult;

// The host's end of a batch lane, without Python: who listens, who is woken, what goes back.

namespace {

struct Bench {
  explicit Bench(std::size_t workers, Steady::duration idle = std::chrono::minutes(1)) {
    auto pair = seqpacket_pair();
    REQUIRE(pair);
    daemon = std::move(pair->ours);
    Fd memory;
    auto made = LaneBoard::make(workers, memory);
    REQUIRE(made);
    board = std::move(*made);
    auto opened = LaneBoard::open(memory, workers);
    REQUIRE(opened);
    lane.emplace(std::move(pair->theirs), std::move(*opened), idle, [this] { ++needs; });
  }

  void send(std::uint64_t first, int count, std::size_t body = 0) {
    lane::Batch batch;
    for (int i = 0; i < count; ++i) {
      lane::RequestHead head;
      head.call = first + static_cast<std::uint64_t>(i);
      head.method = "GET";
      const std::string data(body, 'b');
      const std::size_t size = lane::encode_request(batch.room(), head, {}, body);
      std::memcpy(batch.room().data() + size, data.data(), body);
      batch.added(size + body);
    }
    REQUIRE(lane::send(daemon.get(), batch.packet(0), {}, lane::Wait::no) == lane::Sent::yes);
  }
  std::uint64_t claim(std::size_t worker) {
    const auto frame = lane->claim(worker, buffers[worker], Steady::now());
    return frame ? lane::decode_request(*frame)->head.call : 0;
  }
  void answer(std::uint64_t call) {
    char prefix[16];
    CHECK(lane->add({prefix, lane::encode_chunk_prefix(prefix, lane::FrameType::failed, call, 0)}, {}));
  }
  // The calls of the next packet; empty when there is none yet.
  std::vector<std::uint64_t> answers(lane::Wait wait = lane::Wait::no) {
    std::vector<char> buffer(lane::kPacketMax);
    const lane::Received received = lane::receive(daemon.get(), buffer, wait);
    lane::BatchWalk walk(received.packet);
    credit = walk.credit();
    std::vector<std::uint64_t> calls;
    while (const auto frame = walk.next()) calls.push_back(lane::decode_chunk(*frame)->call);
    return calls;
  }

  std::atomic<int> needs = 0;  // workers that were asked for
  Fd daemon;
  LaneBoard board;
  std::optional<BatchLane> lane;
  BatchLane::Buffer buffers[4];
  lane::Batch spare;
  std::uint32_t credit = 0;
};

using Calls = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("one worker serves a batch, and its answers leave together") {
  Bench bench(1);
  bench.send(1, 3);
  REQUIRE(bench.lane->wait(0));
  for (std::uint64_t call = 1; call <= 3; ++call) {
    CHECK(bench.lane->first() == call);
    CHECK(bench.claim(0) == call);
    CHECK(bench.board.claimed() == call);
    CHECK(bench.board.serving(0) == call);
    bench.answer(call);
  }
  CHECK(bench.claim(0) == 0);
  CHECK(bench.answers().empty());
  CHECK(bench.lane->flush(bench.spare, lane::Wait::no) == lane::Sent::yes);
  CHECK(bench.answers() == Calls{1, 2, 3});
  CHECK(bench.credit == 1);
}

TEST_CASE("calls that are fast make the host want more of them, and slow ones fewer") {
  Bench bench(2);
  const auto told = [&] {
    bench.answer(1);
    bench.lane->flush(bench.spare, lane::Wait::no);
    bench.answers();
    return bench.credit;
  };
  CHECK(told() == 2);
  for (int i = 0; i < 100; ++i) bench.lane->call_ended(std::chrono::microseconds(20), false, Steady::now());
  CHECK(told() > 30);
  for (int i = 0; i < 100; ++i) bench.lane->call_ended(std::chrono::microseconds(1), false, Steady::now());
  CHECK(told() == lane::kCreditMax);
  for (int i = 0; i < 3; ++i) bench.lane->call_ended(std::chrono::milliseconds(100), false, Steady::now());
  CHECK(told() == 2);
}

TEST_CASE("a large request that came alone is not copied, and stays whole while the next one comes") {
  Bench bench(1);
  bench.send(1, 1, 64 * 1024);
  REQUIRE(bench.lane->wait(0));
  const auto frame = bench.lane->claim(0, bench.buffers[0], Steady::now());
  REQUIRE(frame);
  bench.send(2, 1, 64 * 1024);
  BatchLane::Buffer other;
  REQUIRE(bench.lane->wait(0));
  const auto next = bench.lane->claim(0, other, Steady::now());
  REQUIRE(next);
  CHECK(lane::decode_request(*frame)->body == std::string(64 * 1024, 'b'));
  CHECK(lane::decode_request(*frame)->head.call == 1);
  CHECK(lane::decode_request(*next)->head.call == 2);
}

TEST_CASE("when calls have blocked, another worker listens before the next one begins") {
  Bench bench(2);
  bench.send(1, 1);
  REQUIRE(bench.lane->wait(0));
  std::atomic<std::uint64_t> second = 0;
  std::thread other([&] {
    if (bench.lane->wait(1)) second = bench.claim(1);
  });
  bench.lane->call_ended(std::chrono::milliseconds(5), true, Steady::now());
  while (bench.claim(0) == 0) std::this_thread::yield();
  bench.send(2, 1);  // the first worker is still in its call
  other.join();
  CHECK(second == 2);
}

TEST_CASE("a worker that stays in a call gives the lane and its answers away at the second look") {
  Bench bench(2);
  bench.send(1, 2);
  REQUIRE(bench.lane->wait(0));
  CHECK(bench.claim(0) == 1);
  bench.answer(1);
  CHECK(bench.claim(0) == 2);
  std::atomic<std::uint64_t> third = 0;
  std::thread other([&] {
    if (bench.lane->wait(1)) third = bench.claim(1);
  });
  bench.lane->tick();  // it has begun calls since the last one
  CHECK(bench.answers().empty());
  bench.lane->tick();
  CHECK(bench.answers() == Calls{1});
  bench.send(3, 1);
  other.join();
  CHECK(third == 3);
}

TEST_CASE("what nobody has begun goes back, from the queue and from the lane, the last one first") {
  Bench bench(1);
  bench.send(1, 3);
  REQUIRE(bench.lane->wait(0));
  CHECK(bench.claim(0) == 1);
  bench.send(4, 2);
  bench.lane->give_back();
  CHECK(bench.answers() == Calls{5, 4, 3, 2});
  CHECK(bench.board.claimed() == 5);
  CHECK(bench.claim(0) == 0);
  bench.lane->give_back();
  CHECK(bench.answers().empty());
}

TEST_CASE("when the daemon closes the lane all workers leave, also those that wait for their turn") {
  Bench bench(3);
  std::vector<std::thread> workers;
  for (std::size_t me = 0; me < 3; ++me)
    workers.emplace_back([&bench, me] { CHECK_FALSE(bench.lane->wait(me)); });
  bench.daemon.reset();
  for (std::thread& worker : workers) worker.join();
}

TEST_CASE(
    "a worker is asked for when a call is to begin and none is idle, one at a time, as many as there may "
    "be") {
  Bench bench(3);
  bench.lane->arrive();
  bench.send(1, 5);
  REQUIRE(bench.lane->wait(0));
  CHECK(bench.claim(0) == 1);
  CHECK(bench.needs == 0);  // calls are short, as far as anybody knows
  bench.lane->tick();
  bench.lane->tick();
  CHECK(bench.needs == 1);
  bench.lane->arrive();
  REQUIRE(bench.lane->wait(1));
  bench.lane->call_ended(std::chrono::milliseconds(5), true, Steady::now());
  CHECK(bench.claim(1) == 2);  // calls sleep: the next one is to begin at once
  CHECK(bench.needs == 2);
  CHECK(bench.claim(0) == 3);
  CHECK(bench.needs == 2);
  bench.lane->arrive();
  REQUIRE(bench.lane->wait(2));
  CHECK(bench.claim(2) == 4);
  CHECK(bench.needs == 2);
}

TEST_CASE("when no worker can come, nobody asks before it is time to try again") {
  Bench bench(2);
  bench.lane->arrive();
  bench.lane->call_ended(std::chrono::milliseconds(5), true, Steady::now());
  bench.send(1, 3);
  REQUIRE(bench.lane->wait(0));
  CHECK(bench.claim(0) == 1);
  CHECK(bench.needs == 1);
  bench.lane->cannot_come(Steady::now() + std::chrono::hours(1));
  REQUIRE(bench.lane->wait(0));
  CHECK(bench.claim(0) == 2);
  CHECK(bench.needs == 1);
  bench.lane->cannot_come(Steady::now());
  REQUIRE(bench.lane->wait(0));
  CHECK(bench.claim(0) == 3);
  CHECK(bench.needs == 2);
}

TEST_CASE("who was not needed leaves, and the listener stays") {
  Bench bench(2, std::chrono::milliseconds(1));
  bench.lane->arrive();
  bench.lane->arrive();
  bench.send(1, 1);
  REQUIRE(bench.lane->wait(0));
  CHECK_FALSE(bench.lane->wait(1));  // while the other one listens
  CHECK(bench.claim(0) == 1);
  bench.lane->call_ended(std::chrono::milliseconds(5), true, Steady::now());
  bench.send(2, 1);
  REQUIRE(bench.lane->wait(0));
  CHECK(bench.claim(0) == 2);
  CHECK(bench.needs == 1);  // it has left, so another one is asked for
}
