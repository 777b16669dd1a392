#include "tests/unit/serve/generation_bench.h"

using namespace moult;
using namespace moult::test;

// What a host may say that makes no sense, and calls that no lane can carry.

TEST_CASE("an answer whose frames are out of order is given up, and its client told once") {
  const auto lost = [](const std::function<void(LanePart&)>& answer) {
    GenerationBench bench;
    Served& served = bench.serve(bench.start_host(), 1);
    TestCall call(1);
    bench.submit(call);
    answer(served.lanes[0]);
    served.lanes[0].chunk(1, "late", lane::kEnd);
    bench.pump();
    CHECK(call.ends == 1);
    TestCall next(2);  // the worker goes on once the frame with the end has come
    bench.submit(next);
    served.lanes[0].answer(2, "next");
    bench.pump();
    CHECK(next.body == "next");
    return call.failure == CallFailure::host_lost;
  };
  CHECK(lost([](LanePart& lane) { lane.chunk(1, "no head", 0); }));
  CHECK(lost([](LanePart& lane) { lane.chunk(1, "no head", lane::kEnd); }));
  CHECK(lost([](LanePart& lane) {
    lane.begin(1, "once");
    lane.begin(1, "twice");
  }));
  CHECK(lost([](LanePart& lane) { lane.frame(lane::FrameType::head, 1, lane::kEnd, "no head at all"); }));
  CHECK(lost([](LanePart& lane) { lane.frame(lane::FrameType::body, 1, lane::kEnd, {}); }));
  CHECK(lost([](LanePart& lane) { lane.frame(static_cast<lane::FrameType>(99), 1, lane::kEnd, {}); }));
}

TEST_CASE("a call that no packet can carry is refused, and its worker serves the next") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 1);
  const std::string name(lane::kPacketMax, 'n');
  TestCall call(1);
  call.call.head.target = name;
  bench.submit(call);
  CHECK(call.failure == CallFailure::too_large);
  CHECK(call.ends == 1);
  TestCall next(2);
  bench.submit(next);
  CHECK(served.lanes[0].take_request() == 2);
}
