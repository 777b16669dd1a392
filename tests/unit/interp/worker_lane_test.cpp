#include "interp/channel/worker_lane.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

using namespace moult;

// A worker's own lane, without Python: what is gathered, and when it leaves.

namespace {

struct Bench {
  Bench() {
    auto pair = seqpacket_pair();
    REQUIRE(pair);
    daemon = std::move(pair->ours);
    lane = std::make_unique<WorkerLane>(std::move(pair->theirs), [this] { ++rings; });
    lane->begin();
  }
  bool head(std::string_view data, std::uint8_t flags = 0) {
    lane::Head head;
    head.call = 1;
    head.status = 200;
    head.flags = flags;
    char prefix[128];
    return lane->gather({prefix, lane::encode_head(prefix, head)}, data);
  }
  bool chunk(std::string_view data, std::uint8_t flags = 0) {
    char prefix[16];
    return lane->gather({prefix, lane::encode_chunk_prefix(prefix, lane::FrameType::chunk, 1, flags)}, data);
  }
  // The next packet; empty when there is none.
  std::string packet() {
    std::vector<char> buffer(lane::kPacketMax);
    return std::string(lane::receive(daemon.get(), buffer, lane::Wait::no).packet);
  }

  Fd daemon;
  int rings = 0;
  std::unique_ptr<WorkerLane> lane;
};

}  // namespace

TEST_CASE("an answer that was gathered to its end is one frame, which does not leave by this lane") {
  Bench bench;
  CHECK(bench.head("one "));
  CHECK(bench.chunk("two "));
  CHECK(bench.chunk("three", lane::kEnd));
  CHECK(bench.rings == 1);
  const auto head = lane::decode_head(bench.lane->take_whole());
  REQUIRE(head);
  CHECK(head->body == "one two three");
  CHECK((head->flags & lane::kEnd) != 0);
  CHECK(bench.lane->flush(lane::Wait::no) == lane::Sent::yes);
  CHECK(bench.packet().empty());
}

TEST_CASE("a tick sends what is gathered, and the rest of the answer follows on the lane") {
  Bench bench;
  CHECK_FALSE(bench.lane->tick());
  CHECK(bench.head("one "));
  CHECK(bench.lane->tick());
  const std::string first = bench.packet();
  REQUIRE(lane::decode_head(first));
  CHECK(lane::decode_head(first)->body == "one ");
  CHECK_FALSE(bench.lane->tick());
  CHECK(bench.chunk("two "));
  CHECK(bench.chunk("three", lane::kEnd));
  CHECK(bench.rings == 2);
  CHECK(bench.lane->take_whole().empty());
  CHECK(bench.lane->flush(lane::Wait::no) == lane::Sent::yes);
  const std::string second = bench.packet();
  REQUIRE(lane::decode_chunk(second));
  CHECK(lane::decode_chunk(second)->data == "two three");
  CHECK(lane::decode_chunk(second)->flags == lane::kEnd);
}

TEST_CASE("what has no room is not gathered, and loses nothing of what was") {
  Bench bench;
  const std::string piece(WorkerLane::kGatherMax - 100, 'p');
  CHECK(bench.head(piece));
  CHECK_FALSE(bench.chunk(piece));
  CHECK(bench.lane->flush(lane::Wait::no) == lane::Sent::yes);
  CHECK(bench.chunk(piece));
  CHECK(bench.lane->flush(lane::Wait::no) == lane::Sent::yes);
  CHECK(lane::decode_head(bench.packet())->body == piece);
  CHECK(lane::decode_chunk(bench.packet())->data == piece);
  CHECK_FALSE(bench.chunk(std::string(WorkerLane::kGatherMax, 'p')));
}

TEST_CASE("a full lane keeps what is gathered, and a tick does not wait for it") {
  Bench bench;
  const std::string piece(WorkerLane::kGatherMax - 100, 'p');
  std::size_t sent = 0;
  for (;; ++sent) {
    REQUIRE(sent < 1000);
    REQUIRE(bench.chunk(piece));
    if (bench.lane->flush(lane::Wait::no) == lane::Sent::would_block) break;
  }
  CHECK(bench.lane->tick());
  CHECK(bench.lane->tick());
  for (std::size_t i = 0; i < sent; ++i) CHECK_FALSE(bench.packet().empty());
  CHECK(bench.packet().empty());
  CHECK(bench.lane->tick());
  CHECK(lane::decode_chunk(bench.packet())->data == piece);
}

TEST_CASE("what a call left behind is not sent in the next one") {
  Bench bench;
  CHECK(bench.head("left"));
  bench.lane->begin();
  CHECK_FALSE(bench.lane->tick());
  CHECK(bench.head("next"));
  bench.daemon.reset();
  CHECK(bench.lane->flush(lane::Wait::no) == lane::Sent::closed);
  bench.lane->close();
  CHECK_FALSE(bench.lane->tick());
}
