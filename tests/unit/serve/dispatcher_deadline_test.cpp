#include "tests/unit/serve/generation_bench.h"

using namespace moult;
using namespace moult::test;

namespace {

SteadyTime later(int milliseconds) { return Steady::now() + Milliseconds(milliseconds); }

// A call of a function that its caller waits for so long.
class FunctionCall : public TestCall {
 public:
  explicit FunctionCall(std::uint64_t id, SteadyTime deadline = SteadyTime::max()) : TestCall(id, "CALL") {
    call.head.flags = lane::kCall;
    call.head.target = "total";
    call.head.script_name = "blog";
    call.deadline = deadline;
  }
};

Json interrupt_of(int call) { return Json{{"do", "interrupt"}, {"interp", 1}, {"call", call}}; }

}  // namespace

TEST_CASE("a call that comes after its deadline is refused") {
  GenerationBench bench;
  bench.serve(bench.start_host(), 1);
  FunctionCall call(1, Steady::now());
  bench.submit(call);
  CHECK(call.failure == CallFailure::call_timeout);
  CHECK(bench.stats.refused == 1);
}

TEST_CASE("a call whose deadline comes in the queue is told so, before queue_timeout") {
  GenerationBench bench;
  FunctionCall short_one(1, later(10'000));
  FunctionCall other(2);
  bench.submit(other);
  bench.submit(short_one);
  bench.dispatcher.sweep(later(9'000));
  CHECK(short_one.ends == 0);
  bench.dispatcher.sweep(later(11'000));
  CHECK(short_one.failure == CallFailure::call_timeout);
  CHECK(other.ends == 0);
  bench.dispatcher.sweep(later(31'000));
  CHECK(other.failure == CallFailure::app_unavailable);
}

TEST_CASE("queue_timeout comes before a later deadline") {
  GenerationBench bench;
  FunctionCall call(1, later(90'000));
  bench.submit(call);
  bench.dispatcher.sweep(later(31'000));
  CHECK(call.failure == CallFailure::app_unavailable);
}

TEST_CASE("a call that runs past its deadline is answered at once, and its worker is interrupted") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 1);
  FunctionCall call(1, later(10'000));
  bench.submit(call);
  bench.dispatcher.sweep(later(9'000));
  CHECK(call.ends == 0);
  bench.dispatcher.sweep(later(10'100));
  CHECK(call.failure == CallFailure::call_timeout);
  CHECK(call.ends == 1);
  CHECK(bench.command_for(host).json == interrupt_of(1));
  CHECK(bench.stats.timeouts == 1);
  CHECK(served.generation->in_flight() == 1);

  // Its thread comes back, and serves the next.
  FunctionCall next(2);
  bench.submit(next);
  CHECK(served.lanes[0].take_request() == 1);
  served.lanes[0].answer(1, "late", 500);
  bench.pump_until([&] { return served.lanes[0].take_request() == 2; });
  CHECK(call.ends == 1);
  CHECK(bench.dispatcher.sweep(later(20'000)));
  CHECK(next.ends == 0);
}

TEST_CASE("a worker that no interrupt reaches is given up after its caller was told long before") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 1);
  FunctionCall call(1, later(1'000));
  bench.submit(call);
  const SteadyTime from = later(1'500);
  for (int second = 0; second < 5; ++second) {
    // Interrupts are noted with the real time: each sweep is one second further.
    bench.dispatcher.sweep(from + Milliseconds(1'100 * second));
    CHECK(bench.command_for(host).json == interrupt_of(1));
  }
  CHECK_FALSE(served.generation->has_stuck_worker());
  bench.dispatcher.sweep(from + Milliseconds(8'000));
  CHECK(served.generation->has_stuck_worker());
  CHECK(served.generation->in_flight() == 0);
  CHECK(call.ends == 1);
}

TEST_CASE("a function whose caller has gone is interrupted when it goes on, a request is not") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 2);
  {
    FunctionCall function(1);
    TestCall request(2);
    bench.submit(function);
    bench.submit(request);
  }  // both are cancelled
  bench.dispatcher.sweep(Steady::now());
  bench.pump();
  CHECK_FALSE(bench.part(host).take());
  bench.dispatcher.sweep(later(500));
  const Json command = bench.command_for(host).json;
  CHECK(command["do"] == "interrupt");
  CHECK(command["call"] == 1);
  CHECK_FALSE(bench.part(host).take());
  CHECK(served.generation->in_flight() == 2);
}

TEST_CASE("a deadline of one call is not that of the next on the same worker") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 1);
  FunctionCall first(1, later(1'000));
  bench.submit(first);
  served.lanes[0].answer(1, "");
  bench.pump();
  FunctionCall second(2);
  bench.submit(second);
  bench.dispatcher.sweep(later(60'000));
  bench.pump();
  CHECK_FALSE(bench.part(host).take());
  CHECK(second.ends == 0);
}

TEST_CASE("a draining generation keeps the deadlines of its calls") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = *bench.serve(host, 1).generation;
  FunctionCall call(1, later(1'000));
  bench.submit(call);
  generation.replace();
  generation.interrupt_calls(later(1'500), overdue_if_before(later(1'500), Milliseconds(0)));
  CHECK(call.failure == CallFailure::call_timeout);
}

TEST_CASE("a worker tells what it serves, also when its client has gone") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 1);
  const auto flight = [&]() -> const Flight& {
    return *served.generation->interpreters()[0]->flights().at(0);
  };
  {
    FunctionCall call(1);
    bench.submit(call);
    CHECK(call.call.generation == 1);
  }
  CHECK(flight().serves_function());
  CHECK(flight().what() == "total");
  CHECK(flight().caller() == "blog");
  served.lanes[0].answer(1, "");
  bench.pump();
  TestCall request(2);
  request.call.head.target = "/cart";
  request.call.head.remote_addr = "127.0.0.1";
  bench.submit(request);
  CHECK_FALSE(flight().serves_function());
  CHECK(flight().what() == "GET /cart");
  CHECK(flight().caller() == "127.0.0.1");
}
