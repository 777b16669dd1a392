#include "tests/unit/serve/generation_bench.h"

#include <vector>

using namespace moult;
using namespace moult::test;

// Calls that the interpreter of a generation cannot serve: they wait for the next one.

namespace {

SteadyTime later(int milliseconds) { return Steady::now() + Milliseconds(milliseconds); }

// One generation with a worker that has given the call back.
struct Moved {
  GenerationBench bench;
  TestCall call;

  explicit Moved(std::string_view method = "GET", std::uint8_t flags = 0) : call(1, method) {
    Served& served = bench.serve(bench.start_host(), 1);
    call.call.head.flags = flags;
    bench.submit(call);
    REQUIRE(served.lanes[0].take_request() == 1);
  }
  void move() {
    bench.served[0].lanes[0].move(1);
    bench.pump();
  }
};

}  // namespace

TEST_CASE("a call that its generation cannot serve is served by the next, before those that came later") {
  for (const std::string_view method : {"GET", "POST"}) {
    Moved moved(method);
    moved.move();
    CHECK(moved.call.ends == 0);
    CHECK(moved.bench.dispatcher.queued() == 1);
    CHECK(moved.bench.served[0].generation->in_flight() == 0);
    TestCall other(2);
    moved.bench.submit(other);  // the generation still serves what it can
    REQUIRE(moved.bench.served[0].lanes[0].take_request() == 2);
    TestCall third(3);
    moved.bench.submit(third);
    Served& next = moved.bench.serve(moved.bench.start_host(), 1);
    REQUIRE(next.lanes[0].take_request() == 1);
    next.lanes[0].answer(1, "from the process");
    moved.bench.pump();
    CHECK(moved.call.body == "from the process");
    REQUIRE(next.lanes[0].take_request() == 3);
  }
}

TEST_CASE("a call that was given back when another generation serves already goes there at once") {
  Moved moved;
  Served& next = moved.bench.serve(moved.bench.start_host(), 1);
  moved.move();
  CHECK(next.lanes[0].take_request() == 1);
  CHECK(moved.bench.dispatcher.queued() == 0);
}

TEST_CASE("a call whose body was sent in part is told to try again") {
  Moved moved("POST", lane::kBodyStreams);
  SUBCASE("a part was sent") {
    moved.bench.dispatcher.send_body(moved.call.call, "piece", End::no, false);
    moved.move();
    CHECK(moved.call.failure == CallFailure::app_moving);
    CHECK(moved.call.ends == 1);
  }
  SUBCASE("none was") {
    moved.move();
    CHECK(moved.call.ends == 0);
    CHECK(moved.bench.dispatcher.queued() == 1);
  }
}

TEST_CASE("a call of one generation alone is told, and waits for no other") {
  Moved moved;
  moved.call.call.tied = true;
  moved.move();
  CHECK(moved.call.failure == CallFailure::app_moving);
}

TEST_CASE("a call that waits for another generation has its time in the queue, and can be cancelled") {
  Moved moved;
  moved.move();
  SUBCASE("it waits too long") {
    CHECK(moved.bench.dispatcher.sweep(later(20'000)));
    CHECK(moved.call.ends == 0);
    moved.bench.dispatcher.sweep(later(31'000));
    CHECK(moved.call.failure == CallFailure::queue_timeout);
  }
  SUBCASE("its client goes") {
    moved.bench.dispatcher.cancel(moved.call.call);
    CHECK(moved.call.ends == 0);
  }
  SUBCASE("the app is stopped") {
    moved.bench.dispatcher.set_intake(Dispatcher::Intake::stopped);
    CHECK(moved.call.failure == CallFailure::app_stopped);
  }
  CHECK(moved.bench.dispatcher.queued() == 0);
}

TEST_CASE("calls that wait for another generation count in the bound of the queue") {
  Moved moved;
  CallLimits limits;
  limits.queue = 1;
  moved.bench.dispatcher.configure(limits);
  moved.move();
  TestCall second(2);
  TestCall third(3);
  moved.bench.submit(second);  // a worker is idle
  moved.bench.submit(third);
  CHECK(third.failure == CallFailure::queue_full);
  moved.bench.served[0].lanes[0].move(2);
  moved.bench.pump();
  CHECK(second.failure == CallFailure::app_moving);
}

TEST_CASE("where no other generation comes the same one gets the call again, and only once") {
  Moved moved;
  moved.move();
  moved.bench.dispatcher.give_back_moved();
  moved.bench.pump();
  REQUIRE(moved.bench.served[0].lanes[0].take_request() == 1);
  moved.move();
  CHECK(moved.call.failure == CallFailure::app_moving);
}

TEST_CASE("what refuses an interpreter that serves is told of the generation, and stays with it") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 1);
  bench.part(host).send({{"event", "refused"},
                         {"interp", 1},
                         {"module", "numpy.core"},
                         {"path", "/lib/numpy.so"},
                         {"error", "no"},
                         {"file", "/srv/app.py"},
                         {"line", 7}});
  bench.pump_until([&] { return !bench.refused.empty(); });
  REQUIRE(served.generation->fell_back().size() == 1);
  const RefusalNote& note = served.generation->fell_back()[0];
  CHECK(note.module == "numpy.core");
  CHECK(note.file == "/srv/app.py");
  CHECK(note.line == 7);
}
