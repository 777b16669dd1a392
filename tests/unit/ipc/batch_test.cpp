#include "ipc/batch.h"
#include "ipc/lane_board.h"

#include <doctest/doctest.h>

#include <unistd.h>
#include <random>
#include <string>

using namespace moult;

TEST_CASE("a batch gives its frames back in their order, with the credit") {
  lane::Batch batch;
  CHECK(batch.is_empty());
  batch.add("first", "");
  batch.add("se", "cond");
  CHECK_FALSE(batch.is_empty());
  lane::BatchWalk walk(batch.packet(7));
  CHECK(walk.credit() == 7);
  CHECK(walk.next() == "first");
  CHECK(walk.has_more());
  CHECK(walk.next() == "second");
  CHECK_FALSE(walk.next());
  CHECK_FALSE(walk.is_broken());
  batch.clear();
  CHECK(batch.is_empty());
}

TEST_CASE("a batch takes what fits a batch, and alone what fits a packet") {
  lane::Batch batch;
  CHECK(batch.has_room(lane::kRequestMax));
  CHECK_FALSE(batch.has_room(lane::kRequestMax + 1));
  batch.add("x", "");
  CHECK(batch.has_room(lane::kBatchMax - batch.size() - sizeof(std::uint32_t)));
  CHECK_FALSE(batch.has_room(lane::kBatchMax - batch.size()));
}

TEST_CASE("a damaged packet ends the walk inside its own bytes") {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    lane::Batch batch;
    const std::string text(random() % 40 + 1, 'x');
    for (unsigned frames = random() % 4; frames > 0; --frames) batch.add(text, text);
    if (batch.is_empty()) batch.add("x", "");
    std::string packet(batch.packet(0));
    for (unsigned flips = random() % 4; flips > 0; --flips)
      packet[random() % packet.size()] = static_cast<char>(random());
    packet.resize(random() % (packet.size() + 1));
    lane::BatchWalk walk(packet);
    std::size_t sum = 0;
    while (const auto frame = walk.next()) {
      REQUIRE(frame->data() >= packet.data());
      REQUIRE(frame->data() + frame->size() <= packet.data() + packet.size());
      sum += frame->size();
    }
    REQUIRE(sum <= packet.size());
  }
}

TEST_CASE("the board shows one side what the other writes, and refuses memory of another size") {
  Fd memory;
  auto daemons = LaneBoard::make(3, memory);
  REQUIRE(daemons);
  auto hosts = LaneBoard::open(memory, 3);
  REQUIRE(hosts);
  hosts->set_claimed(5);
  hosts->set_serving(2, 77);
  CHECK(daemons->claimed() == 5);
  CHECK(daemons->serving(2) == 77);
  CHECK(daemons->serving(0) == 0);
  CHECK(daemons->serving(9) == 0);
  CHECK_FALSE(LaneBoard::open(memory, 4));
  CHECK(::ftruncate(memory.get(), 0) != 0);  // or a read would end the daemon
}
