#include "tests/unit/moult/moulting_bench.h"

using namespace moult;
using namespace moult::test;

// The ways of an attempt, one case each. moulting_walk_test.cpp mixes them.

namespace {

using Kind = AttemptOutcome::Kind;
using Numbers = std::vector<std::uint64_t>;

constexpr const char* kBroken = "NameError: name 'x' is not defined";

// An app that serves its first generation.
struct Served : MoultingBench {
  explicit Served(const std::function<void(AppConfig&)>& change = {}) : MoultingBench(change) {
    attempt({CauseKind::start, ""});
    settle();
    REQUIRE(moulting->active() != nullptr);
  }
  Asked& change(int version) {
    edit(version);
    return attempt({CauseKind::change, "app.py"});
  }
  // Until a host was asked for the generation.
  PlayedInterpreter& making() {
    pump_until([&] { return waiting_one() != nullptr; });
    return *waiting_one();
  }
  std::uint64_t serving() const { return moulting->active() != nullptr ? moulting->active()->number() : 0; }
};

const AttemptOutcome& only(const MoultingBench::Asked& asked) {
  REQUIRE(asked.outcomes.size() == 1);
  return asked.outcomes.front();
}

}  // namespace

TEST_CASE("a first load switches, the same content again is no change, and an edit switches again") {
  Served bench;
  auto& same = bench.attempt({CauseKind::change, "app.py"});
  bench.settle();
  CHECK(only(same).kind == Kind::unchanged);
  auto& edited = bench.change(1);
  bench.settle();
  CHECK(only(edited).kind == Kind::switched);
  CHECK(bench.switched == Numbers{1, 2});
  CHECK(bench.moulting->standby()->number() == 1);
}

TEST_CASE("a check makes the code, and nothing is switched to") {
  Served bench;
  bench.edit(1);
  auto& check = bench.attempt({CauseKind::check, ""}, Moulting::Purpose::check);
  bench.settle();
  CHECK(only(check).kind == Kind::checked);
  CHECK_FALSE(only(check).same_as_active);
  CHECK(bench.switched == Numbers{1});
}

TEST_CASE("what cannot be imported is rejected, and the old code serves on") {
  Served bench;
  auto& edited = bench.change(1);
  bench.tell_rejected(bench.making(), kBroken);
  bench.settle();
  CHECK(only(edited).kind == Kind::rejected);
  CHECK(only(edited).rejection.error == kBroken);
  CHECK(bench.serving() == 1);
  CHECK(bench.moulting->last_rejected()->number == 2);
  auto& mended = bench.change(2);
  bench.settle();
  CHECK(only(mended).kind == Kind::switched);
  CHECK(bench.serving() == 3);
  CHECK_FALSE(bench.moulting->last_rejected());
}

TEST_CASE("a ready hook that fails rejects the generation") {
  Served bench;
  auto& edited = bench.change(1);
  bench.tell_made(bench.making(), {"ready"});
  bench.pump_until([&] {
    for (PlayedInterpreter& one : bench.interpreters) {
      for (LanePart& lane : one.lanes) {
        const auto frame = lane.take();
        if (frame && frame->target == "moult.hook.ready")
          lane.reply(frame->call, "raised", R"({"type":"E","message":"m","traceback":"t"})");
      }
    }
    return !edited.outcomes.empty();
  });
  CHECK(only(edited).kind == Kind::rejected);
  CHECK(only(edited).rejection.stage == "ready");
  CHECK(bench.serving() == 1);
}

TEST_CASE("a warm-up request that fails rejects the generation") {
  Served bench;
  AppConfig config = bench.config;
  config.warmup = {"/warm"};
  bench.moulting->configure(config);
  auto& edited = bench.change(1);
  bench.tell_made(bench.making());
  bench.pump_until([&] {
    for (PlayedInterpreter& one : bench.interpreters) {
      for (LanePart& lane : one.lanes) {
        const auto frame = lane.take();
        if (frame && frame->target == "/warm") lane.answer(frame->call, "no", 500);
      }
    }
    return !edited.outcomes.empty();
  });
  CHECK(only(edited).rejection.stage == "warmup");
  CHECK(bench.serving() == 1);
}

TEST_CASE("an import that takes longer than start_timeout is rejected") {
  Served bench;
  AppConfig config = bench.config;
  config.start_timeout = Milliseconds(30);
  bench.moulting->configure(config);
  auto& edited = bench.change(1);
  bench.pump_until([&] { return !edited.outcomes.empty(); });
  CHECK(only(edited).rejection.stage == "timeout");
  CHECK(bench.serving() == 1);
}

TEST_CASE("code whose hosts die is tried in new ones, and then rejected") {
  Served bench([](AppConfig& config) { config.isolation = Isolation::interpreter; });
  auto& edited = bench.change(1);
  const int first = bench.making().pid;
  bench.kill(first);
  bench.pump_until([&] { return bench.waiting_one() != nullptr && bench.waiting_one()->pid != first; });
  CHECK(edited.outcomes.empty());
  while (edited.outcomes.empty()) {
    if (auto* one = bench.waiting_one()) bench.kill(one->pid);
    bench.pump();
  }
  CHECK(only(edited).rejection.stage == "crash");
}

TEST_CASE("no process can be started: it is rejected for want of means") {
  MoultingBench bench;
  bench.launcher.fails = true;
  auto& first = bench.attempt({CauseKind::start, ""});
  bench.pump_until([&] { return !first.outcomes.empty(); });
  CHECK(only(first).kind == Kind::rejected);
  CHECK(only(first).rejection.stage == "host");
}

TEST_CASE("who waits for an attempt that a newer one replaces waits for that") {
  Served bench;
  auto& first = bench.change(1);
  bench.making();
  auto& second = bench.change(2);
  bench.settle();
  CHECK(only(first).kind == Kind::switched);
  CHECK(only(second).kind == Kind::switched);
  CHECK(only(first).generation == only(second).generation);
  CHECK(bench.switched.size() == 2);
}

TEST_CASE("a stop at any stage answers who waits, and nothing is left") {
  Served bench;
  auto& edited = bench.change(1);
  SUBCASE("while the disk is read") {}
  SUBCASE("while it is made") { bench.making(); }
  SUBCASE("while its ready hook runs") {
    bench.tell_made(bench.making(), {"ready"});
    bench.pump();
  }
  SUBCASE("while the old one drains") {
    TestCall call(1);
    bench.dispatcher.submit(call.call);
    bench.settle();
    CHECK(bench.serving() == 2);
  }
  bench.moulting->stop();
  REQUIRE(edited.outcomes.size() == 1);
  bench.pump_until([&] { return bench.all_ended > 0; });
  CHECK(bench.moulting->generations().empty());
}

TEST_CASE("a change during a load raises a doubt, which another look at the disk answers") {
  Served bench;
  auto& edited = bench.change(1);
  PlayedInterpreter& one = bench.making();
  SUBCASE("the content is the same") {
    bench.moulting->on_change_seen("app.py");
    bench.tell_made(one);
    bench.pump();
    CHECK(bench.serving() == 1);  // it waits
    bench.moulting->on_change_settled({CauseKind::change, "app.py"});
    bench.settle();
    CHECK(bench.serving() == 2);
  }
  SUBCASE("it is another") {
    bench.edit(2);
    bench.moulting->on_change_seen("app.py");
    bench.tell_made(one);
    bench.moulting->on_change_settled({CauseKind::change, "app.py"});
    bench.settle();
    CHECK(bench.serving() == 3);
    CHECK(bench.switched == Numbers{1, 3});
  }
  SUBCASE("nobody wants to know") {
    bench.moulting->on_change_seen("app.py");
    bench.tell_made(one);
    bench.pump();
    bench.moulting->dismiss_doubts();
    bench.settle();
    CHECK(bench.serving() == 2);
  }
  CHECK(only(edited).kind == Kind::switched);
}

TEST_CASE("a roll-back goes to the standby at once, and to an older one by its snapshot") {
  Served bench;
  bench.change(1);
  bench.settle();
  bench.change(2);
  bench.settle();
  REQUIRE(bench.moulting->standby()->number() == 2);
  SUBCASE("the standby") {
    auto& back = bench.roll_back(std::nullopt);
    CHECK(only(back).kind == Kind::switched);
    CHECK(bench.serving() == 2);
    CHECK(bench.moulting->record().pinned->generation == 2);
  }
  SUBCASE("an older one") {
    auto& back = bench.roll_back(1);
    bench.settle();
    CHECK(only(back).kind == Kind::switched);
    CHECK(bench.serving() == 4);
    CHECK(bench.moulting->record().pinned->generation == 4);
  }
  SUBCASE("the standby's host dies while the state is moved to it") {
    bench.roll_back(1);
    bench.tell_made(bench.making(), {"handoff", "adopt"});
    bench.pump_until([&] { return bench.serving() == 4; });
    bench.change(3);
    bench.tell_made(bench.making(), {"handoff", "adopt"});
    bench.pump_until([&] {
      bench.answer_calls();
      return bench.serving() == 5;
    });
    auto& back = bench.roll_back(4);
    bench.moulting->give_up_reserves();  // not while it is being gone back to
    CHECK(back.outcomes.empty());
    bench.moulting->leave_host(*bench.moulting->standby()->interpreters()[0]->host());
    bench.settle();
    CHECK(only(back).kind == Kind::switched);
    CHECK(bench.serving() == 6);
  }
}

TEST_CASE("a host that dies takes its app along, which is made again of the same code") {
  Served bench;
  bench.edit(9);  // not what served
  bench.kill(bench.launcher.started.front().pid);
  bench.pump_until([&] { return bench.moulting->active() == nullptr; });
  bench.pump_until([&] { return bench.moulting->attempt_view().has_value(); });
  bench.settle();
  CHECK(bench.serving() == 2);
  CHECK(bench.moulting->active()->record().cause.kind == CauseKind::host_lost);
  CHECK(bench.moulting->host_deaths == 1);
}

TEST_CASE("a host that is recycled is left without a gap") {
  Served bench;
  bench.pool.recycle(*bench.pool.hosts().front(), "test");
  bench.pump_until([&] { return bench.moulting->attempt_view().has_value(); });
  CHECK(bench.serving() == 1);
  bench.settle();
  CHECK(bench.serving() == 2);
  CHECK(bench.moulting->active()->record().cause.kind == CauseKind::recycle);
}

TEST_CASE("a spare takes the code, and what it cannot take is made without it") {
  Served bench([](AppConfig& config) { config.spare = SparePolicy::stdlib; });
  bench.change(1);
  bench.settle();
  bench.pump_until([&] { return bench.moulting->spare_word() == "ready"; });
  const auto spares = [&] {
    return std::count_if(bench.interpreters.begin(), bench.interpreters.end(),
                         [](const auto& one) { return one.is_spare; });
  };
  REQUIRE(spares() == 1);
  bench.change(2);
  bench.making();
  CHECK(spares() == 0);
  bench.settle();
  CHECK(bench.serving() == 3);
}

TEST_CASE("no more than max_draining generations drain: the next one waits for its turn") {
  Served bench([](AppConfig& config) { config.max_draining = 1; });
  TestCall call(1);
  bench.dispatcher.submit(call.call);
  bench.rounds.flush();
  for (PlayedInterpreter& one : bench.interpreters) one.lanes[0].take_request();
  bench.change(1);
  bench.pump_until([&] {
    if (auto* one = bench.waiting_one()) bench.tell_made(*one);
    return bench.serving() == 2;
  });
  auto& third = bench.change(2);
  bench.pump_until([&] {
    if (auto* one = bench.waiting_one()) bench.tell_made(*one);
    return !bench.moulting->waiting_for().empty();
  });
  CHECK(third.outcomes.empty());
  CHECK(bench.serving() == 2);
  for (PlayedInterpreter& one : bench.interpreters) {
    if (one.number == 1) one.lanes[0].answer(1, "at last");
  }
  bench.settle();
  CHECK(only(third).kind == Kind::switched);
  CHECK(call.body == "at last");
}

TEST_CASE("what lacked means is not made again over a roll-back that came after it") {
  Served bench;
  bench.change(1);
  bench.settle();
  auto& forced = bench.attempt({CauseKind::restart, "", true});
  bench.launcher.fails = true;
  bench.pump_until([&] { return !forced.outcomes.empty(); });
  bench.launcher.fails = false;
  auto& back = bench.roll_back(std::nullopt);
  CHECK(only(back).kind == Kind::switched);
  uv::Timer later(bench.loop);
  bool is_later = false;
  later.start(Recovery::kMeansAgain + Milliseconds(200), [&] { is_later = true; });
  bench.pump_until([&] { return is_later; });
  CHECK(bench.serving() == 1);
  CHECK_FALSE(bench.moulting->attempt_view());
}
