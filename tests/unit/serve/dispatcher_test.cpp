#include "tests/unit/serve/generation_bench.h"

using namespace moult;
using namespace moult::test;

namespace {

SteadyTime later(int milliseconds) { return Steady::now() + Milliseconds(milliseconds); }

CallLimits with_retry() {
  CallLimits limits;
  limits.retry_safe = true;
  return limits;
}

CallLimits with_timeout(int milliseconds) {
  CallLimits limits;
  limits.call_timeout = Milliseconds(milliseconds);
  return limits;
}

}  // namespace

TEST_CASE("an idle worker gets the call at once, and its answer comes back") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 1);
  TestCall call(7);
  bench.submit(call);
  CHECK(bench.dispatcher.queued() == 0);
  CHECK(served.generation->in_flight() == 1);
  REQUIRE(served.lanes[0].take_request() == 7);
  served.lanes[0].answer(7, "hello");
  bench.pump();
  CHECK(call.status == 200);
  CHECK(call.body == "hello");
  CHECK(call.ends == 1);
  CHECK(served.generation->in_flight() == 0);
  CHECK(bench.stats.calls == 1);
  CHECK(bench.stats.errors == 0);
}

TEST_CASE("an answer of 500 and an exception count as errors") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 1);
  TestCall first(1);
  TestCall second(2);
  bench.submit(first);
  served.lanes[0].answer(1, "", 503);
  bench.pump();
  bench.submit(second);
  served.lanes[0].fail(2, "Traceback");
  bench.pump();
  CHECK(second.failure == CallFailure::app_error);
  CHECK(second.detail == "Traceback");
  CHECK(bench.stats.errors == 2);
  CHECK(bench.stats.calls == 2);
}

TEST_CASE("calls that wait are served in the order in which they came") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 1);
  TestCall first(1);
  TestCall second(2);
  TestCall third(3);
  for (TestCall* call : {&first, &second, &third}) bench.submit(*call);
  CHECK(bench.dispatcher.queued() == 2);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    REQUIRE(served.lanes[0].take_request() == id);
    served.lanes[0].answer(id, "");
    bench.pump();
  }
  CHECK(first.ends + second.ends + third.ends == 3);
}

TEST_CASE("a client that asks again inside its answer comes after those that wait") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 1);
  TestCall first(1);
  TestCall second(2);
  TestCall third(3);
  first.on_end = [&] { bench.submit(third); };
  bench.submit(first);
  bench.submit(second);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    REQUIRE(served.lanes[0].take_request() == id);
    served.lanes[0].answer(id, "");
    bench.pump();
  }
  CHECK(third.ends == 1);
}

TEST_CASE("calls that wait follow the switch, those in flight end where they began") {
  GenerationBench bench;
  Host& host = bench.start_host();
  bench.serve(host, 1);
  TestCall running(1);
  TestCall waiting(2);
  bench.submit(running);
  bench.submit(waiting);
  Generation& old = *bench.served[0].generation;
  old.replace();
  bench.serve(host, 1);
  CHECK(bench.served[1].lanes[0].take_request() == 2);
  CHECK(bench.served[0].lanes[0].take_request() == 1);
  CHECK_FALSE(bench.served[0].lanes[0].take());
  bench.served[0].lanes[0].answer(1, "old");
  bench.pump();
  CHECK(running.body == "old");
  CHECK(bench.told.back() == "idle");
  TestCall next(3);
  bench.submit(next);
  CHECK_FALSE(bench.served[0].lanes[0].take());
}

TEST_CASE("a call whose host dies is answered with that, and none is sent to it any more") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 2);
  TestCall running(1);
  bench.submit(running);
  host.kill();
  bench.pump_until([&] { return !bench.ends.empty(); });
  CHECK(running.failure == CallFailure::host_lost);
  CHECK(running.ends == 1);
  CHECK(bench.stats.lost == 1);
  CHECK(served.generation->state() == GenerationState::lost);
  TestCall next(2);
  bench.submit(next);
  CHECK(bench.dispatcher.queued() == 1);
}

TEST_CASE("a lost call is sent once more where that is allowed, before those that wait") {
  GenerationBench bench;
  bench.dispatcher.configure(with_retry());
  Host& first_host = bench.start_host();
  bench.serve(first_host, 1);
  TestCall lost(1);
  TestCall waiting(2);
  bench.submit(lost);
  bench.submit(waiting);
  first_host.kill();
  bench.pump_until([&] { return !bench.ends.empty(); });
  CHECK(lost.ends == 0);
  CHECK(bench.dispatcher.queued() == 2);
  CHECK(bench.stats.retried == 1);
  Host& second_host = bench.start_host();
  Served& served = bench.serve(second_host, 1);
  REQUIRE(served.lanes[0].take_request() == 1);
  second_host.kill();
  bench.pump_until([&] { return bench.ends.size() == 2; });
  CHECK(lost.failure == CallFailure::host_lost);
  CHECK(lost.ends == 1);
  CHECK(bench.stats.retried == 1);
}

TEST_CASE("a lost call is not sent again when it may have done something, or was answered in part") {
  GenerationBench bench;
  bench.dispatcher.configure(with_retry());
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 2);
  TestCall post(1, "POST");
  TestCall begun(2);
  bench.submit(post);
  bench.submit(begun);
  for (LanePart& lane : served.lanes) {
    const std::uint64_t id = lane.take_request();
    if (id == 2) lane.begin(2, "half");
  }
  bench.pump();
  CHECK(begun.body == "half");
  host.kill();
  bench.pump_until([&] { return !bench.ends.empty(); });
  CHECK(post.failure == CallFailure::host_lost);
  CHECK(begun.failure == CallFailure::host_lost);
  CHECK(bench.stats.retried == 0);
}

TEST_CASE("a call that a stop overtook is not sent again") {
  GenerationBench bench;
  bench.dispatcher.configure(with_retry());
  Host& host = bench.start_host();
  bench.serve(host, 1);
  TestCall call(1);
  bench.submit(call);
  bench.dispatcher.set_intake(Dispatcher::Intake::stopped);
  host.kill();
  bench.pump_until([&] { return !bench.ends.empty(); });
  CHECK(call.failure == CallFailure::host_lost);
}

TEST_CASE("a call that runs too long is interrupted in its own worker, and answered with that") {
  GenerationBench bench;
  bench.dispatcher.configure(with_timeout(5'000));
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 1);
  TestCall call(9);
  bench.submit(call);
  bench.dispatcher.sweep(call.call.started + Milliseconds(4'999));
  CHECK_FALSE(bench.part(host).take());
  CHECK(bench.dispatcher.sweep(call.call.started + Milliseconds(5'001)));
  const Command command = bench.command_for(host);
  CHECK(command.json == Json{{"do", "interrupt"}, {"interp", 1}, {"call", 9}});
  served.lanes[0].fail(9, "moult.Interrupted");
  bench.pump();
  CHECK(call.failure == CallFailure::call_timeout);
  CHECK(bench.stats.timeouts == 1);
  CHECK(served.generation->in_flight() == 0);
}

TEST_CASE("a call that cannot be interrupted is given up and its worker with it, after five tries") {
  GenerationBench bench;
  bench.dispatcher.configure(with_timeout(5'000));
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 2);
  TestCall call(9);
  bench.submit(call);
  for (int second = 0; second < 5; ++second) {
    bench.dispatcher.sweep(later(6'000 + 2'000 * second));
    CHECK(bench.command_for(host).json["do"] == "interrupt");
    CHECK(call.ends == 0);
  }
  bench.dispatcher.sweep(later(20'000));
  CHECK(call.failure == CallFailure::call_timeout);
  CHECK(call.ends == 1);
  CHECK(bench.stats.timeouts == 1);
  CHECK(served.generation->has_stuck_worker());
  CHECK(served.generation->in_flight() == 0);
  // The other worker serves on; the stuck one gets nothing.
  TestCall first(10);
  TestCall second(11);
  bench.submit(first);
  bench.submit(second);
  CHECK(served.generation->in_flight() == 1);
  CHECK(bench.dispatcher.queued() == 1);
}

TEST_CASE("without a call_timeout a call may take as long as it likes") {
  GenerationBench bench;
  Host& host = bench.start_host();
  bench.serve(host, 1);
  TestCall call(9);
  bench.submit(call);
  CHECK(bench.dispatcher.sweep(later(86'400'000)));
  CHECK(call.ends == 0);
  CHECK_FALSE(bench.part(host).take());
}

TEST_CASE("a client that goes makes its worker stop, which then serves the next") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 1);
  TestCall gone(1);
  TestCall waiting(2);
  bench.submit(gone);
  bench.submit(waiting);
  CHECK(served.lanes[0].take_request() == 1);
  bench.dispatcher.cancel(gone.call);
  const auto frame = served.lanes[0].take();
  REQUIRE(frame);
  CHECK(frame->type == lane::FrameType::abort);
  CHECK(frame->call == 1);
  CHECK(bench.dispatcher.queued() == 1);
  served.lanes[0].answer(1, "for nobody");
  bench.pump();
  CHECK(gone.body.empty());
  CHECK(gone.ends == 0);
  CHECK(served.lanes[0].take_request() == 2);
}

TEST_CASE("what comes late for a call that is over is not taken for the next one's") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 1);
  TestCall first(1);
  TestCall second(2);
  bench.submit(first);
  served.lanes[0].answer(1, "");
  bench.pump();
  bench.submit(second);
  served.lanes[0].chunk(1, "late", 0);
  served.lanes[0].chunk(1, "late", lane::kEnd);
  served.lanes[0].answer(2, "right");
  bench.pump();
  CHECK(second.body == "right");
  CHECK(second.ends == 1);
}

TEST_CASE("a body is sent piece by piece, as the app asks for it") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 1);
  TestCall call(1, "POST");
  call.call.head.flags = lane::kBodyStreams;
  bench.submit(call);
  CHECK(served.lanes[0].take_request() == 1);
  served.lanes[0].want_body(1);
  bench.pump();
  CHECK(call.wanted == 1);
  bench.dispatcher.send_body(call.call, "piece", End::no, false);
  auto frame = served.lanes[0].take();
  REQUIRE(frame);
  CHECK(frame->type == lane::FrameType::body);
  CHECK(frame->data == "piece");
  CHECK(frame->flags == 0);
  bench.dispatcher.send_body(call.call, "", End::yes, true);
  frame = served.lanes[0].take();
  REQUIRE(frame);
  CHECK(frame->flags == (lane::kEnd | lane::kBroken));
}

TEST_CASE("while a call is paused nothing of its answer is read, and nothing is lost") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 1);
  TestCall call(1);
  bench.submit(call);
  served.lanes[0].begin(1, "a");
  bench.pump();
  bench.dispatcher.pause(call.call);
  served.lanes[0].chunk(1, "b", 0);
  served.lanes[0].chunk(1, "c", lane::kEnd);
  bench.pump();
  CHECK(call.body == "a");
  bench.dispatcher.resume(call.call);
  bench.pump();
  CHECK(call.body == "abc");
  CHECK(call.ends == 1);
}

TEST_CASE("a paused call that is cancelled does not leave its worker unread") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 1);
  TestCall call(1);
  bench.submit(call);
  served.lanes[0].begin(1, "a");
  bench.pump();
  bench.dispatcher.pause(call.call);
  bench.dispatcher.cancel(call.call);
  served.lanes[0].chunk(1, "", lane::kEnd);
  bench.pump();
  CHECK(served.generation->in_flight() == 0);
}

TEST_CASE("a call that a broken lane did not take waits for another generation") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 2);
  served.lanes[0].batch->close();
  bench.are_busy = true;
  TestCall call(1);
  bench.submit(call);  // the loop has not seen the end yet
  TestCall next(2);
  bench.submit(next);
  CHECK(bench.dispatcher.queued() == 2);
  bench.dispatcher.sweep(Steady::now() + Milliseconds(1'001));
  CHECK(call.ends == 0);
  CHECK(bench.dispatcher.queued() == 2);
  CHECK(served.generation->in_flight() == 0);
}

TEST_CASE("a call whose lane breaks while its host lives on is answered after a moment") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 2);
  TestCall call(1);
  bench.submit(call);
  for (LanePart& lane : served.lanes) {
    if (lane.take_request() == 1) lane.close();
  }
  bench.pump();
  CHECK(call.ends == 0);
  const SteadyTime now = Steady::now();
  bench.dispatcher.sweep(now);
  CHECK(call.ends == 0);
  bench.dispatcher.sweep(now + Milliseconds(1'001));
  CHECK(call.failure == CallFailure::host_lost);
  CHECK(served.generation->in_flight() == 0);
  CHECK(bench.told == std::vector<std::string>{"made", "lost: closed the lanes of its workers", "ended"});
}

TEST_CASE("a call that waits for its second try has its whole time in the queue again") {
  GenerationBench bench;
  bench.dispatcher.configure(with_retry());
  Host& host = bench.start_host();
  bench.serve(host, 1);
  TestCall call(1);
  bench.submit(call);
  call.call.submitted -= Milliseconds(40'000);  // it had been running for longer than queue_timeout
  host.kill();
  bench.pump_until([&] { return !bench.ends.empty(); });
  bench.dispatcher.set_active(nullptr);
  CHECK(bench.dispatcher.sweep(later(1)));
  CHECK(call.ends == 0);
}

TEST_CASE("a call that is sent again does not hide those behind it that are late") {
  GenerationBench bench;
  bench.dispatcher.configure(with_retry());
  Host& host = bench.start_host();
  bench.serve(host, 1);
  TestCall lost(1);
  TestCall late(2);
  bench.submit(lost);
  bench.submit(late);
  late.call.submitted -= Milliseconds(30'001);
  host.kill();
  bench.pump_until([&] { return !bench.ends.empty(); });
  bench.dispatcher.set_active(nullptr);
  bench.dispatcher.sweep(Steady::now());
  CHECK(late.failure == CallFailure::app_unavailable);
  CHECK(lost.ends == 0);
}
