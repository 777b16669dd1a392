#include "tests/unit/serve/generation_bench.h"

using namespace moult;
using namespace moult::test;

namespace {

// A dispatcher without a generation: every call waits.
struct Bench {
  CallStats stats;
  Dispatcher dispatcher{stats};

  explicit Bench(int queue = 100) {
    CallLimits limits;
    limits.queue = queue;
    limits.queue_timeout = Milliseconds(30'000);
    dispatcher.configure(limits);
  }
  void submit(TestCall& call) { dispatcher.submit(call.call); }
};

SteadyTime later(int milliseconds) { return Steady::now() + Milliseconds(milliseconds); }

}  // namespace

TEST_CASE("a call for which nothing serves waits") {
  Bench bench;
  TestCall call(1);
  bench.submit(call);
  CHECK(bench.dispatcher.queued() == 1);
  CHECK(call.ends == 0);
  CHECK(bench.dispatcher.oldest_wait(later(5000)).count() >= 5.0);
  bench.dispatcher.cancel(call.call);
  CHECK(bench.dispatcher.oldest_wait(later(5000)).count() == 0);
}

TEST_CASE("a full queue refuses the call that comes, not one that waits") {
  Bench bench(2);
  TestCall first(1);
  TestCall second(2);
  TestCall third(3);
  bench.submit(first);
  bench.submit(second);
  bench.submit(third);
  CHECK(third.failure == CallFailure::queue_full);
  CHECK(first.ends + second.ends == 0);
  CHECK(bench.dispatcher.queued() == 2);
  CHECK(bench.stats.refused == 1);
  CHECK(bench.stats.queue_full == 1);
}

TEST_CASE("a queue of nothing refuses every call that no worker takes") {
  Bench bench(0);
  TestCall call(1);
  bench.submit(call);
  CHECK(call.failure == CallFailure::queue_full);
}

TEST_CASE("a call that has gone makes room in a full queue") {
  Bench bench(1);
  TestCall first(1);
  TestCall second(2);
  bench.submit(first);
  bench.dispatcher.cancel(first.call);
  bench.submit(second);
  CHECK(second.ends == 0);
  CHECK(first.ends == 0);  // nobody is there to be told
}

TEST_CASE("calls leave the queue from its front, its middle and its end") {
  for (int gone = 0; gone < 3; ++gone) {
    Bench bench;
    std::vector<std::unique_ptr<TestCall>> calls;
    for (std::uint64_t id = 1; id <= 3; ++id) {
      calls.push_back(std::make_unique<TestCall>(id));
      bench.submit(*calls.back());
    }
    bench.dispatcher.cancel(calls[static_cast<std::size_t>(gone)]->call);
    CHECK(bench.dispatcher.queued() == 2);
    bench.dispatcher.sweep(later(30'001));
    CHECK(bench.dispatcher.queued() == 0);
    for (int i = 0; i < 3; ++i) CHECK(calls[static_cast<std::size_t>(i)]->ends == (i == gone ? 0 : 1));
  }
}

TEST_CASE("a call that waited too long is answered, with why nothing came") {
  Bench bench;
  TestCall call(1);
  bench.submit(call);
  CHECK(bench.dispatcher.sweep(call.call.submitted + Milliseconds(30'000)));
  CHECK(call.ends == 0);
  CHECK_FALSE(bench.dispatcher.sweep(later(30'001)));
  CHECK(call.failure == CallFailure::app_unavailable);
  CHECK(call.ends == 1);
  CHECK(bench.stats.refused == 1);
  CHECK(bench.stats.queue_late == 0);
}

TEST_CASE("a call that waited too long for a worker is late") {
  Bench bench;
  GenerationBench unused;
  Generation generation(unused.loop, unused, {}, nullptr, "");  // without a single worker
  bench.dispatcher.set_active(&generation);
  TestCall call(1);
  bench.submit(call);
  bench.dispatcher.sweep(later(30'001));
  CHECK(call.failure == CallFailure::queue_timeout);
  CHECK(bench.stats.queue_late == 1);
  bench.dispatcher.set_active(nullptr);
}

TEST_CASE("with nothing under way that may serve them calls are answered at once") {
  Bench bench;
  TestCall waiting(1);
  bench.submit(waiting);
  bench.dispatcher.set_prospect(SteadyTime::max(), "why it does not");
  CHECK(waiting.failure == CallFailure::app_unavailable);
  CHECK(waiting.detail == "why it does not");
  TestCall coming(2);
  bench.submit(coming);
  CHECK(coming.failure == CallFailure::app_unavailable);
  CHECK(coming.ends == 1);
  CHECK(bench.stats.refused == 2);
  bench.dispatcher.set_prospect({}, "");
  TestCall next(3);
  bench.submit(next);
  CHECK(next.ends == 0);
  CHECK(bench.dispatcher.queued() == 1);
}

TEST_CASE("calls wait for a recovery that comes before their queue_timeout, and for no other") {
  Bench bench;
  TestCall call(1);
  bench.submit(call);
  bench.dispatcher.set_prospect(later(29'000), "");
  CHECK(call.ends == 0);
  bench.dispatcher.set_prospect(later(31'000), "");
  CHECK(call.failure == CallFailure::app_unavailable);
}

TEST_CASE("what serves makes no call hopeless") {
  Bench bench;
  GenerationBench unused;
  Generation generation(unused.loop, unused, {}, nullptr, "");  // without a single worker
  bench.dispatcher.set_active(&generation);
  bench.dispatcher.set_prospect(SteadyTime::max(), "");
  TestCall call(1);
  bench.submit(call);
  CHECK(bench.dispatcher.queued() == 1);
  bench.dispatcher.cancel(call.call);
  bench.dispatcher.set_active(nullptr);
}

TEST_CASE("a stopped app answers those that wait and those that come") {
  Bench bench;
  TestCall waiting(1);
  TestCall coming(2);
  bench.submit(waiting);
  bench.dispatcher.set_intake(Dispatcher::Intake::stopped);
  bench.submit(coming);
  CHECK(waiting.failure == CallFailure::app_stopped);
  CHECK(coming.failure == CallFailure::app_stopped);
  CHECK(bench.dispatcher.queued() == 0);
  bench.dispatcher.set_intake(Dispatcher::Intake::open);
  TestCall again(3);
  bench.submit(again);
  CHECK(bench.dispatcher.queued() == 1);
}

TEST_CASE("a client that asks again when it is refused does not keep a stop from ending") {
  Bench bench;
  TestCall call(1);
  TestCall next(2);
  call.on_end = [&] { bench.submit(next); };
  bench.submit(call);
  bench.dispatcher.set_intake(Dispatcher::Intake::stopped);
  CHECK(next.failure == CallFailure::app_stopped);
  CHECK(bench.dispatcher.queued() == 0);
}

TEST_CASE("a client that asks again when it was late waits anew") {
  Bench bench;
  TestCall call(1);
  TestCall next(2);
  call.on_end = [&] { bench.submit(next); };
  bench.submit(call);
  call.call.submitted -= Milliseconds(30'001);
  CHECK(bench.dispatcher.sweep(Steady::now()));
  CHECK(call.ends == 1);
  CHECK(next.ends == 0);
  CHECK(bench.dispatcher.queued() == 1);
}

TEST_CASE("the end of the app answers who waits") {
  TestCall call(1);
  {
    Bench bench;
    bench.submit(call);
  }
  CHECK(call.failure == CallFailure::app_stopped);
}

TEST_CASE("the watch is asked for when the first call comes, and again after it has ended") {
  Bench bench;
  int asked = 0;
  bench.dispatcher.set_on_busy([&] { ++asked; });
  TestCall first(1);
  TestCall second(2);
  bench.submit(first);
  bench.submit(second);
  CHECK(asked == 1);
  CHECK_FALSE(bench.dispatcher.sweep(later(30'001)));
  TestCall third(3);
  bench.submit(third);
  CHECK(asked == 2);
}

TEST_CASE("a lost call is answered when it may not be sent again") {
  Bench bench;
  TestCall call(1, "POST");
  bench.dispatcher.on_call_lost(call.call);
  CHECK(call.failure == CallFailure::host_lost);
  CHECK(bench.stats.lost == 1);
}

TEST_CASE("a cancelled call that is in no queue is left alone") {
  Bench bench;
  TestCall call(1);
  bench.dispatcher.cancel(call.call);
  CHECK(bench.dispatcher.queued() == 0);
  CHECK(call.ends == 0);
}
