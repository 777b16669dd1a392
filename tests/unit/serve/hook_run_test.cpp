#include "daemon/serve/hook_run.h"

#include "tests/unit/serve/generation_bench.h"

using namespace moult;
using namespace moult::test;

namespace {

using Kind = HookOutcome::Kind;

// Two generations of an app, the older one active, and a run of hooks between them.
class HookBench final : public GenerationBench {
 public:
  explicit HookBench(Milliseconds timeout = Milliseconds(10'000), std::size_t state_max = 1'000'000)
      : hooks(std::make_unique<HookRun>(loop, "blog", HookRun::Limits{timeout, state_max}, last_call)) {}
  ~HookBench() { hooks.reset(); }

  // A generation that has been made and does not serve, of one interpreter in each host.
  Served& warm(const std::vector<Host*>& where, int threads = 1) {
    Generation& generation = ask(where, threads);
    for (Host* host : where) {
      const std::uint64_t interp = take_make(*host);
      part(*host).send({{"event", "made"}, {"interp", interp}, {"hooks", {"adopt", "ready"}}});
    }
    pump_until([&] { return generation.state() == GenerationState::warming; });
    return served.back();
  }

  HookRun::Done done() {
    return [this](HookOutcome outcome) { outcomes.push_back(std::move(outcome)); };
  }
  const HookOutcome& outcome() {
    pump_until([&] { return !outcomes.empty(); });
    REQUIRE(outcomes.size() == 1);
    return outcomes.front();
  }
  // The request that the lane gets next.
  LanePart::Frame request(LanePart& lane) {
    std::optional<LanePart::Frame> frame;
    pump_until([&] { return (frame = lane.take()).has_value(); });
    REQUIRE(frame->type == lane::FrameType::request);
    CHECK((frame->flags & lane::kCall) != 0);
    return *frame;
  }

  void on_room(Generation& generation) override {
    GenerationBench::on_room(generation);
    if (hooks) hooks->on_room(generation);
  }

  std::uint64_t last_call = 0;
  std::unique_ptr<HookRun> hooks;
  std::vector<HookOutcome> outcomes;
};

}  // namespace

TEST_CASE("handoff is called on a worker of the active generation, and its result is the state") {
  HookBench bench;
  Served& old = bench.serve(bench.start_host(), 1);
  bench.hooks->hand_off(*old.generation, bench.dispatcher, bench.done());
  const auto request = bench.request(old.lanes[0]);
  CHECK(request.target == "moult.hook.handoff");
  CHECK(request.data.empty());
  old.lanes[0].reply(request.call, "value", "the ", 0);
  old.lanes[0].chunk(request.call, "state", lane::kEnd);
  CHECK(bench.outcome().kind == Kind::done);
  CHECK(bench.outcome().state == "the state");
  CHECK(old.generation->record().calls == 1);
}

TEST_CASE("handoff waits in the line of calls") {
  HookBench bench;
  Served& old = bench.serve(bench.start_host(), 1);
  TestCall before(1);
  bench.submit(before);
  bench.hooks->hand_off(*old.generation, bench.dispatcher, bench.done());
  CHECK(bench.dispatcher.queued() == 1);
  REQUIRE(old.lanes[0].take_request() == 1);
  old.lanes[0].answer(1, "");
  CHECK(bench.request(old.lanes[0]).target == "moult.hook.handoff");
}

TEST_CASE("what handoff raises is a failure with its place") {
  HookBench bench;
  Served& old = bench.serve(bench.start_host(), 1);
  bench.hooks->hand_off(*old.generation, bench.dispatcher, bench.done());
  const auto request = bench.request(old.lanes[0]);
  old.lanes[0].reply(
      request.call, "raised",
      R"({"type":"KeyError","message":"'x'","traceback":"Traceback ...","file":"/app.py","line":7})");
  const Rejection& failure = bench.outcome().failure;
  CHECK(bench.outcome().kind == Kind::failed);
  CHECK(failure.stage == "handoff");
  CHECK(failure.error == "KeyError: 'x'");
  CHECK(failure.traceback == "Traceback ...");
  CHECK(failure.file == "/app.py");
  CHECK(failure.line == 7);
}

TEST_CASE("a state that cannot be carried is a failure that names the place in it") {
  HookBench bench;
  Served& old = bench.serve(bench.start_host(), 1);
  bench.hooks->hand_off(*old.generation, bench.dispatcher, bench.done());
  const auto request = bench.request(old.lanes[0]);
  old.lanes[0].reply(
      request.call, "payload",
      R"({"type":"PayloadError","message":"cannot pickle a lock","path":"result[0]['pool']"})");
  CHECK(bench.outcome().failure.error == "PayloadError: cannot pickle a lock (result[0]['pool'])");
}

TEST_CASE("an answer that is no error of ours is a failure all the same") {
  HookBench bench;
  Served& old = bench.serve(bench.start_host(), 1);
  bench.hooks->hand_off(*old.generation, bench.dispatcher, bench.done());
  const auto request = bench.request(old.lanes[0]);
  old.lanes[0].reply(request.call, "raised", "[1, 2");
  CHECK(bench.outcome().kind == Kind::failed);
  CHECK(bench.outcome().failure.error == "it was answered with \"raised\"");
}

TEST_CASE("a handoff that takes too long is given up and interrupted; the worker comes back") {
  HookBench bench(Milliseconds(30));
  Host& host = bench.start_host();
  Served& old = bench.serve(host, 1);
  bench.hooks->hand_off(*old.generation, bench.dispatcher, bench.done());
  const auto request = bench.request(old.lanes[0]);
  CHECK(bench.outcome().kind == Kind::failed);
  CHECK(bench.outcome().failure.error == "it took longer than handoff_timeout (0.03 s)");
  const Command interrupt = bench.command_for(host);
  CHECK(interrupt.json["do"] == "interrupt");
  CHECK(interrupt.json["call"] == request.call);
  CHECK(old.lanes[0].take()->type == lane::FrameType::abort);
  CHECK(old.generation->in_flight() == 1);
  old.lanes[0].reply(request.call, "raised", "{}");
  bench.pump_until([&] { return old.generation->in_flight() == 0; });
  CHECK(bench.outcomes.size() == 1);
}

TEST_CASE("a handoff that gets no worker in its time leaves the line") {
  HookBench bench(Milliseconds(30));
  Served& old = bench.serve(bench.start_host(), 1);
  TestCall before(1);
  bench.submit(before);
  bench.hooks->hand_off(*old.generation, bench.dispatcher, bench.done());
  CHECK(bench.outcome().kind == Kind::failed);
  CHECK(bench.dispatcher.queued() == 0);
}

TEST_CASE("a state that is too large is a failure, and what still comes of it is not read") {
  HookBench bench(Milliseconds(10'000), 10);
  Served& old = bench.serve(bench.start_host(), 1);
  bench.hooks->hand_off(*old.generation, bench.dispatcher, bench.done());
  const auto request = bench.request(old.lanes[0]);
  old.lanes[0].reply(request.call, "value", "12345678", 0);
  old.lanes[0].chunk(request.call, "9abc", 0);
  CHECK(bench.outcome().kind == Kind::failed);
  CHECK(bench.outcome().failure.error == "what it gave is larger than 10 bytes");
  old.lanes[0].chunk(request.call, "def", lane::kEnd);
  bench.pump_until([&] { return old.generation->in_flight() == 0; });
}

TEST_CASE("a generation that goes before it has handed over is no failure") {
  HookBench bench;
  Host& host = bench.start_host();
  Served& old = bench.serve(host, 1);
  SUBCASE("while the hook runs") {
    bench.hooks->hand_off(*old.generation, bench.dispatcher, bench.done());
    bench.request(old.lanes[0]);
    bench.part(host).exit(3);
  }
  SUBCASE("while the hook waits in line") {
    TestCall before(1);
    bench.submit(before);
    bench.hooks->hand_off(*old.generation, bench.dispatcher, bench.done());
    bench.hooks->on_generation_lost(*old.generation);
    CHECK(bench.dispatcher.queued() == 0);
  }
  CHECK(bench.outcome().kind == Kind::lost);
}

TEST_CASE("adopt gets the state as it came, in each interpreter, one after the other") {
  HookBench bench;
  Served& fresh = bench.warm({&bench.start_host(), &bench.start_host()});
  bench.hooks->adopt(*fresh.generation, "state", bench.done());
  const auto first = bench.request(fresh.lanes[0]);
  CHECK(first.target == "moult.hook.adopt");
  CHECK(first.data == "state");
  CHECK_FALSE(fresh.lanes[1].take());
  fresh.lanes[0].reply(first.call, "value", "");
  const auto second = bench.request(fresh.lanes[1]);
  CHECK(second.data == "state");
  CHECK(second.call != first.call);
  CHECK(bench.outcomes.empty());
  fresh.lanes[1].reply(second.call, "value", "");
  CHECK(bench.outcome().kind == Kind::done);
}

TEST_CASE("a large state goes piece by piece as it is wanted") {
  HookBench bench;
  Served& fresh = bench.warm({&bench.start_host()});
  const std::string state(lane::kInlineBodyMax * 2 + 5, 's');
  bench.hooks->adopt(*fresh.generation, state, bench.done());
  const auto request = bench.request(fresh.lanes[0]);
  CHECK((request.flags & lane::kBodyStreams) != 0);
  std::string got;
  for (bool last = false; !last;) {
    fresh.lanes[0].want_body(request.call);
    std::optional<LanePart::Frame> piece;
    bench.pump_until([&] { return (piece = fresh.lanes[0].take()).has_value(); });
    got += piece->data;
    last = (piece->flags & lane::kEnd) != 0;
  }
  CHECK(got == state);
  fresh.lanes[0].reply(request.call, "value", "");
  CHECK(bench.outcome().kind == Kind::done);
}

TEST_CASE("the first interpreter whose ready hooks fail ends the run") {
  HookBench bench;
  Served& fresh = bench.warm({&bench.start_host(), &bench.start_host()});
  bench.hooks->ready(*fresh.generation, bench.done());
  const auto request = bench.request(fresh.lanes[0]);
  CHECK(request.target == "moult.hook.ready");
  fresh.lanes[0].reply(request.call, "raised", R"({"type":"OSError","message":"no database"})");
  CHECK(bench.outcome().failure.stage == "ready");
  CHECK(bench.outcome().failure.error == "OSError: no database");
  bench.pump();
  CHECK_FALSE(fresh.lanes[1].take());
}

TEST_CASE("ready hooks wait for a worker that a late adopt hook still holds") {
  HookBench bench(Milliseconds(30));
  Served& fresh = bench.warm({&bench.start_host()});
  bench.hooks->adopt(*fresh.generation, "state", bench.done());
  const auto adopt = bench.request(fresh.lanes[0]);
  CHECK(bench.outcome().kind == Kind::failed);
  bench.outcomes.clear();
  bench.hooks->ready(*fresh.generation, bench.done());
  CHECK(fresh.lanes[0].take()->type == lane::FrameType::abort);
  bench.pump();
  CHECK_FALSE(fresh.lanes[0].take());
  fresh.lanes[0].reply(adopt.call, "raised", "{}");
  const auto ready = bench.request(fresh.lanes[0]);
  CHECK(ready.target == "moult.hook.ready");
  fresh.lanes[0].reply(ready.call, "value", "");
  CHECK(bench.outcome().kind == Kind::done);
}

TEST_CASE("a run that is called off interrupts what it called") {
  HookBench bench;
  Host& host = bench.start_host();
  Served& fresh = bench.warm({&host});
  bench.hooks->ready(*fresh.generation, bench.done());
  const auto request = bench.request(fresh.lanes[0]);
  bench.hooks.reset();
  CHECK(bench.command_for(host).json["call"] == request.call);
  CHECK(fresh.lanes[0].take()->type == lane::FrameType::abort);
  fresh.lanes[0].reply(request.call, "value", "");
  bench.pump();
  CHECK(bench.outcomes.empty());
  CHECK(fresh.generation->in_flight() == 0);
}
