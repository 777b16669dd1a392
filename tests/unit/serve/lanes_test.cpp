#include "tests/unit/serve/generation_bench.h"

#include <random>

using namespace moult;
using namespace moult::test;

// The daemon's end of a batch lane: what is handed to a host before a worker is free, and how it comes back.

namespace {

struct Crowd {
  explicit Crowd(int count) {
    for (int i = 1; i <= count; ++i)
      calls.push_back(std::make_unique<TestCall>(static_cast<std::uint64_t>(i)));
  }
  void submit(GenerationBench& bench) {
    for (const auto& call : calls) bench.submit(*call);
  }
  TestCall& operator[](std::size_t number) { return *calls.at(number - 1); }
  std::vector<std::unique_ptr<TestCall>> calls;
};

}  // namespace

TEST_CASE("calls that come in one round leave in one packet, and their answers may, too") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 2);
  TestCall one(1);
  TestCall two(2);
  bench.dispatcher.submit(one.call);
  bench.dispatcher.submit(two.call);
  CHECK(served.lanes[0].batch->queued() == 0);
  bench.pump();
  CHECK(served.lanes[0].take_request() == 1);
  CHECK(served.lanes[1].take_request() == 2);
  lane::Batch answers;
  std::vector<char> memory(1024);
  for (const std::uint64_t call : {2, 1}) {
    lane::Head head;
    head.call = call;
    head.status = 200;
    head.flags = lane::kEnd;
    answers.add({memory.data(), lane::encode_head(memory, head)}, "answer");
  }
  served.lanes[0].batch->send(answers.packet(2));
  bench.pump();
  CHECK(one.body == "answer");
  CHECK(two.body == "answer");
  CHECK(bench.stats.calls == 2);
}

TEST_CASE("where a crowd comes, those that come meanwhile leave in the same packet") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 8);
  Crowd crowd(4);
  TestCall late(9);
  uv::NextRound meanwhile(bench.loop, [&] { bench.dispatcher.submit(late.call); });
  uv::NextRound first(bench.loop, [&] { meanwhile.request(); });
  for (std::size_t number = 1; number <= 4; ++number) bench.dispatcher.submit(crowd[number].call);
  first.request();
  bench.pump();
  CHECK(served.lanes[0].batch->packets() == 1);
  CHECK(served.generation->in_flight() == 5);
}

TEST_CASE("a host gets no more calls than it has workers until it says that it wants more") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 2);
  Crowd crowd(12);
  crowd.submit(bench);
  CHECK(served.generation->in_flight() == 2);
  REQUIRE(served.lanes[0].take_request() == 1);
  served.lanes[0].answer_whole(1, "", 8);
  bench.pump();
  CHECK(served.generation->in_flight() == 8);
  REQUIRE(served.lanes[0].take_request() == 2);
  served.lanes[0].answer_whole(2, "", 1'000'000);  // whatever a host says
  bench.pump();
  CHECK(served.generation->in_flight() == 10);
}

TEST_CASE("no more calls wait in a host than the queue of its app may hold") {
  GenerationBench bench;
  CallLimits limits;
  limits.queue = 3;
  bench.dispatcher.configure(limits);
  Served& served = bench.serve(bench.start_host(), 1);
  TestCall first(100);
  bench.submit(first);
  REQUIRE(served.lanes[0].take_request() == 100);
  served.lanes[0].answer_whole(100, "", 64);
  bench.pump();
  bench.are_busy = true;
  Crowd crowd(6);
  crowd.submit(bench);
  CHECK(served.generation->in_flight() == 4);
  CHECK(bench.dispatcher.queued() == 4);
  CHECK(crowd[5].failure == CallFailure::queue_full);
}

TEST_CASE("what has waited in a host for long comes back in its order, and goes to who is free") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 1);
  TestCall first(100);
  bench.submit(first);
  REQUIRE(served.lanes[0].take_request() == 100);
  served.lanes[0].answer_whole(100, "", 64);
  bench.pump();
  bench.are_busy = true;
  Crowd crowd(5);
  crowd.submit(bench);
  REQUIRE(served.lanes[0].take_request() == 1);
  CHECK(served.generation->in_flight() == 5);
  bench.dispatcher.sweep(Steady::now() + Milliseconds(60));
  CHECK(bench.command_for(host).json == Json{{"do", "give_back"}, {"interp", 1}});
  served.lanes[0].batch->give_back();
  bench.pump();
  CHECK(served.generation->in_flight() == 1);
  CHECK(bench.dispatcher.queued() == 4);
  served.lanes[0].answer(1, "");
  for (std::uint64_t next = 2; next <= 5; ++next) {
    bench.pump();
    REQUIRE(served.lanes[0].take_request() == next);
    CHECK(served.lanes[0].batch->queued() ==
          0);  // one for each worker, until the host tells its credit again
    served.lanes[0].answer(next, "");
  }
  bench.pump();
  CHECK(crowd[5].ends == 1);
}

TEST_CASE("what waits in a host at a switch goes to the next generation at once, in its order") {
  GenerationBench bench;
  Host& host = bench.start_host();
  bench.serve(host, 1);
  TestCall first(100);
  bench.submit(first);
  REQUIRE(bench.served[0].lanes[0].take_request() == 100);
  bench.served[0].lanes[0].answer_whole(100, "", 64);
  bench.pump();
  bench.are_busy = true;
  Crowd crowd(4);
  crowd.submit(bench);
  REQUIRE(bench.served[0].lanes[0].take_request() == 1);
  Generation& old = *bench.served[0].generation;
  old.replace();
  CHECK(bench.command_for(host).json["do"] == "give_back");
  bench.serve(host, 3);
  bench.served[0].lanes[0].batch->give_back();
  bench.pump();
  for (std::size_t worker = 0; worker < 3; ++worker)
    CHECK(bench.served[1].lanes[worker].take_request() == 2 + worker);
  bench.served[0].lanes[0].answer(1, "");
  bench.pump();
  CHECK(old.record().calls == 2);
  CHECK(bench.stats.calls == 2);
}

TEST_CASE("what a draining host had not begun when it died goes to the next generation at once") {
  GenerationBench bench;
  Host& host = bench.start_host();
  bench.serve(host, 1);
  bench.are_busy = true;
  TestCall call(1);
  bench.submit(call);
  bench.served[0].generation->replace();
  bench.serve(bench.start_host(), 1);
  host.kill();
  bench.pump_until([&] { return !bench.ends.empty(); });
  bench.pump();
  CHECK(bench.served[1].lanes[0].take_request() == 1);
}

TEST_CASE("a host that dies loses what it had begun, and only that") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 1);
  TestCall first(100);
  bench.submit(first);
  REQUIRE(served.lanes[0].take_request() == 100);
  served.lanes[0].answer_whole(100, "", 64);
  bench.pump();
  bench.are_busy = true;
  Crowd crowd(4);
  crowd.submit(bench);
  REQUIRE(served.lanes[0].take_request() == 1);
  REQUIRE(served.lanes[0].take_request() == 2);
  served.lanes[0].answer_whole(1, "sent before it died");
  host.kill();
  bench.pump_until([&] { return !bench.ends.empty(); });
  CHECK(crowd[1].body == "sent before it died");
  CHECK(crowd[2].failure == CallFailure::host_lost);
  CHECK(bench.dispatcher.queued() == 2);
  bench.are_busy = false;
  Served& next = bench.serve(bench.start_host(), 2);
  CHECK(next.lanes[0].take_request() == 3);
  CHECK(next.lanes[1].take_request() == 4);
}

TEST_CASE("an abort waits until it is known which worker has the call") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 2);
  bench.are_busy = true;
  auto call = std::make_unique<TestCall>(1);
  bench.submit(*call);
  call.reset();
  bench.dispatcher.sweep(Steady::now());
  CHECK_FALSE(served.lanes[1].closed);
  REQUIRE(served.lanes[1].take_request() == 1);
  bench.dispatcher.sweep(Steady::now());
  const auto frame = served.lanes[1].take();
  REQUIRE(frame);
  CHECK(frame->type == lane::FrameType::abort);
  CHECK(frame->call == 1);
}

TEST_CASE("whatever a host writes to a batch lane ends no daemon and answers no other call") {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    static std::unique_ptr<GenerationBench> bench;
    static Served* served = nullptr;
    if (round % 50 == 0) {
      bench = std::make_unique<GenerationBench>();
      served = &bench->serve(bench->start_host(), 1);
    }
    lane::Batch batch;
    std::vector<char> memory(512);
    for (int frame = 0; frame < 3; ++frame) {
      lane::Head head;
      head.call = 1 + random() % 3;
      head.status = 200;
      head.flags = static_cast<std::uint8_t>(random());
      batch.add({memory.data(), lane::encode_head(memory, head)}, "text");
    }
    std::string packet(batch.packet(random()));
    for (unsigned flips = random() % 6; flips > 0; --flips)
      packet[random() % packet.size()] = static_cast<char>(random());
    packet.resize(1 + random() % packet.size());
    served->lanes[0].batch->send(packet);
    TestCall call(2);
    bench->submit(call);
    bench->pump();
    CHECK(call.ends <= 1);
    if (round % 50 == 49) bench.reset();
  }
}
