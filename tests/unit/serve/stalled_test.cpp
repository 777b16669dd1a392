#include "tests/unit/serve/generation_bench.h"

using namespace moult;
using namespace moult::test;

namespace {

Json stalled(std::uint64_t interp) {
  return {{"event", "stalled"}, {"interp", interp}, {"what", "call"}, {"worker", 0}, {"seconds", 2.5}};
}

}  // namespace

TEST_CASE("a host that does not answer gets no further call; they wait, and go on when it answers again") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 2);
  bench.part(host).send(stalled(1));
  bench.pump_until([&] { return host.stalled_since().has_value(); });
  REQUIRE(bench.stalls.size() == 1);
  CHECK(bench.stalls.front().interp == 1);
  CHECK(bench.stalls.front().worker == 0);
  CHECK(Seconds(Steady::now() - *host.stalled_since()).count() >= 2.5);
  CHECK(served.generation->stalled()->host() == &host);
  TestCall call(1);
  bench.submit(call);
  CHECK(bench.dispatcher.queued() == 1);
  bench.part(host).send({{"event", "revived"}, {"seconds", 3.0}});
  bench.pump_until([&] { return bench.revived == 1; });
  CHECK(served.generation->stalled() == nullptr);
  bench.dispatcher.give_back_moved();
  bench.pump();
  CHECK(bench.dispatcher.queued() == 0);
}

TEST_CASE("an interpreter that keeps a GIL of its own gets no further call, and its host is fine") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = bench.ask({&host, &host}, 1);
  for (int i = 0; i < 2; ++i) {
    const std::uint64_t interp = bench.take_make(host);
    bench.part(host).send({{"event", "made"}, {"interp", interp}, {"callable", "app:app"}});
  }
  bench.pump_until([&] { return generation.state() == GenerationState::warming; });
  generation.activate();
  bench.dispatcher.set_active(&generation);
  std::vector<LanePart>& lanes = bench.served.back().lanes;
  Json note = stalled(1);
  note["alone"] = true;
  bench.part(host).send(note);
  bench.pump_until([&] { return !bench.stalls.empty(); });
  CHECK_FALSE(host.stalled_since());
  REQUIRE(generation.stalled() == generation.interpreters()[0].get());
  host.explain_stall(1, "GET /loop");
  CHECK(generation.stalled()->stall().trouble == "GET /loop");
  CHECK(generation.answers_in_part());
  TestCall first(1);
  bench.submit(first);
  CHECK(lanes[1].take_request() == 1);
  TestCall second(2);
  bench.submit(second);
  CHECK(bench.dispatcher.queued() == 1);
  note["interp"] = 2;
  bench.part(host).send(note);
  bench.pump_until([&] { return bench.stalls.size() == 2; });
  CHECK_FALSE(generation.answers_in_part());
  bench.part(host).send({{"event", "revived"}, {"interp", 1}, {"seconds", 3.0}});
  bench.pump_until([&] { return bench.revived == 1; });
  CHECK(generation.stalled() == generation.interpreters()[1].get());
  bench.dispatcher.give_back_moved();
  bench.pump();
  CHECK(lanes[0].take_request() == 2);
}

TEST_CASE("what an interpreter that is gone has kept is forgotten") {
  GenerationBench bench;
  Host& host = bench.start_host();
  bench.serve(host, 1);
  Json note = stalled(1);
  note["alone"] = true;
  bench.part(host).send(note);
  bench.pump_until([&] { return !bench.stalls.empty(); });
  CHECK(host.is_stalled(1));
  bench.dispatcher.set_active(nullptr);
  bench.served.clear();
  CHECK_FALSE(host.is_stalled(1));
  note["interp"] = 99;  // of nobody
  bench.part(host).send(note);
  bench.pump_until([&] { return bench.stalls.size() == 2; });
  CHECK_FALSE(host.is_stalled(99));
}

TEST_CASE("a call that a host without an answer gives back is served by the next generation") {
  GenerationBench bench;
  Host& host = bench.start_host();
  bench.serve(host, 1);
  TestCall call(7);
  bench.are_busy = true;
  bench.submit(call);
  bench.part(host).send(stalled(1));
  bench.pump_until([&] { return host.stalled_since().has_value(); });
  host.give_back();
  CHECK(bench.command_for(host).json["do"] == "give_back");
  bench.served.front().lanes.front().batch->give_back();
  bench.are_busy = false;
  bench.pump_until([&] { return bench.dispatcher.queued() == 1; });
  CHECK_FALSE(call.failure);
  Host& fresh = bench.start_host();
  LanePart& lane = bench.serve(fresh, 1).lanes.front();
  CHECK(lane.take_request() == 7);
  lane.answer(7, "served");
  bench.pump_until([&] { return call.ends == 1; });
  CHECK(call.body == "served");
}

TEST_CASE("an interpreter whose host does not answer is not taken for abandoned") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = *bench.serve(host, 1).generation;
  bench.part(host).send(stalled(1));
  bench.pump_until([&] { return host.stalled_since().has_value(); });
  bench.dispatcher.set_active(nullptr);
  generation.replace();
  generation.retire(Seconds(0));
  CHECK_FALSE(generation.has_ended());
  host.dismiss();
  bench.pump_until([&] { return generation.has_ended(); });
  CHECK(generation.state() == GenerationState::retired);
}

TEST_CASE("the last word of a host is heard before its interpreters are told of its end") {
  GenerationBench bench;
  bench.dying = ", because of shop";
  Host& host = bench.start_host();
  bench.serve(host, 1);
  bench.part(host).send({{"event", "crashed"}, {"interp", 5}});
  bench.part(host).exit(3);
  bench.pump_until([&] { return !bench.ends.empty(); });
  CHECK(host.crashed() == 5);
  CHECK(bench.told.back() == "ended");
  CHECK(std::count(bench.told.begin(), bench.told.end(), "lost: exited with status 3, because of shop") == 1);
}
