#include "tests/unit/moult/moulting_bench.h"

#include <cstdlib>
#include <random>

using namespace moult;
using namespace moult::test;

// One app's Moulting under whatever may come, in any order: what must hold after each step, and what is left
// at the end.

namespace {

class Walk {
 public:
  explicit Walk(unsigned seed)
      : seed_(seed), random_(seed), bench_([](AppConfig& config) {
          config.max_draining = kMaxDraining;
          config.keep_previous = Milliseconds(200);
          config.spare = SparePolicy::stdlib;
        }) {}

  void run(int steps) {
    CAPTURE(seed_);
    for (int i = 0; i < steps; ++i) {
      step();
      bench_.pump();
      check();
    }
    end();
  }

 private:
  static constexpr int kMaxDraining = 2;

  int pick(int most) { return static_cast<int>(random_() % static_cast<unsigned>(most)); }

  void step() {
    const int what = pick(100);
    last_.push_back(what);
    if (what < 5) {
      bench_.edit(pick(4));
      bench_.attempt({CauseKind::change, "app.py"});
    } else if (what < 8) {
      bench_.attempt({CauseKind::reload, "", true});
    } else if (what < 9) {
      bench_.attempt({CauseKind::check, ""}, Moulting::Purpose::check);
    } else if (what < 22) {
      bench_.until_read();
    } else if (what < 25) {
      const auto newest = bench_.moulting->record().next_generation;
      const auto to = static_cast<std::uint64_t>(pick(static_cast<int>(newest) + 1));
      bench_.roll_back(pick(2) == 0 ? std::nullopt : std::optional(to));
    } else if (what < 45) {
      if (auto* one = bench_.waiting_one()) bench_.tell_made(*one, hooks_[pick(3)]);
    } else if (what < 49) {
      if (auto* one = bench_.waiting_one()) bench_.tell_rejected(*one, "NameError: x");
    } else if (what < 51) {
      if (!bench_.launcher.started.empty())
        bench_.kill(
            bench_.launcher
                .started[static_cast<std::size_t>(pick(static_cast<int>(bench_.launcher.started.size())))]
                .pid);
    } else if (what < 53) {
      const auto hosts = bench_.pool.hosts();
      if (!hosts.empty())
        bench_.pool.recycle(*hosts[static_cast<std::size_t>(pick(static_cast<int>(hosts.size())))], "test");
    } else if (what < 54) {
      bench_.moulting->give_up_reserves();
    } else if (what < 58) {
      bench_.moulting->sweep(Steady::now() + Milliseconds(pick(400)));
      bench_.dispatcher.sweep(Steady::now());
    } else if (what < 68) {
      calls_.push_back(std::make_unique<TestCall>(++call_numbers_));
      calls_.back()->call.deadline = Steady::now() + std::chrono::hours(1);
      bench_.dispatcher.submit(calls_.back()->call);
    } else if (what < 78) {
      bench_.answer_calls();
    } else if (what < 80) {
      bench_.edit(pick(4));
      bench_.moulting->on_change_seen("app.py");
    } else if (what < 83) {
      bench_.moulting->on_change_settled({CauseKind::change, "app.py"});
    } else if (what < 84) {
      bench_.moulting->dismiss_doubts();
    } else if (what < 85) {
      bench_.moulting->unpin();
    } else if (what < 86) {
      ++drains_asked_;
      bench_.moulting->when_drained([this] { ++drains_told_; });
    } else if (what < 87) {
      bench_.launcher.fails = pick(4) == 0;
    } else if (what < 88 && pick(4) == 0) {
      stop_and_go();
    } else {
      bench_.pump();
    }
  }

  std::size_t in_state(GenerationState state) const {
    const auto& all = bench_.moulting->generations();
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [&](const auto& generation) { return generation->state() == state; }));
  }

  void check() {
    const std::vector<int> last(last_.size() > 12 ? last_.end() - 12 : last_.begin(), last_.end());
    CAPTURE(fmt::format("{}", fmt::join(last, " ")));
    const Moulting& moulting = *bench_.moulting;
    REQUIRE(in_state(GenerationState::active) == (moulting.active() != nullptr ? 1 : 0));
    REQUIRE(in_state(GenerationState::standby) == (moulting.standby() != nullptr ? 1 : 0));
    REQUIRE(in_state(GenerationState::making) + in_state(GenerationState::warming) <= 1);
    REQUIRE(in_state(GenerationState::spare) <= 1);
    REQUIRE(in_state(GenerationState::draining) <= kMaxDraining + 1);
    if (moulting.active() != nullptr) REQUIRE(moulting.active()->state() == GenerationState::active);
    if (moulting.standby() != nullptr) REQUIRE(moulting.standby()->state() == GenerationState::standby);
    for (const auto& one : bench_.asked) REQUIRE(one.outcomes.size() <= 1);
    for (const auto& call : calls_) REQUIRE(call->ends <= 1);
    while (!calls_.empty() && calls_.front()->ends == 1) calls_.pop_front();
    while (bench_.asked.size() > 1 && bench_.asked.front().outcomes.size() == 1) bench_.asked.pop_front();
    REQUIRE(drains_told_ <= drains_asked_);
    last_.erase(last_.begin(), last_.end() - static_cast<std::ptrdiff_t>(last.size()));
  }

  // Everything that was asked is answered, and nothing is left.
  void end_all() {
    bench_.moulting->stop();
    bench_.dispatcher.set_intake(Dispatcher::Intake::stopped);
    const int ended = bench_.all_ended;
    bench_.pump_until([&] {
      bench_.answer_calls();
      return bench_.all_ended > ended;
    });
    REQUIRE(bench_.moulting->generations().empty());
    REQUIRE_FALSE(bench_.moulting->attempt_view());
    for (const auto& one : bench_.asked) REQUIRE(one.outcomes.size() == 1);
    for (const auto& call : calls_) REQUIRE(call->ends == 1);
    REQUIRE(drains_told_ == drains_asked_);
  }
  void stop_and_go() {
    end_all();
    bench_.moulting->resume();
    bench_.dispatcher.set_intake(Dispatcher::Intake::open);
  }
  // Whatever was before: an app that is left alone serves the code that is on the disk, or says why not.
  void end() {
    bench_.launcher.fails = false;
    bench_.edit(99);
    auto& last = bench_.attempt({CauseKind::reload, "", true});
    bench_.settle();
    REQUIRE(last.outcomes.size() == 1);
    CHECK(last.outcomes[0].kind == AttemptOutcome::Kind::switched);
    end_all();
  }

  const std::vector<std::string> hooks_[3] = {{}, {"ready"}, {"adopt", "handoff", "ready"}};
  unsigned seed_;
  std::mt19937 random_;
  MoultingBench bench_;
  std::deque<std::unique_ptr<TestCall>> calls_;
  std::uint64_t call_numbers_ = 0;
  int drains_asked_ = 0;
  int drains_told_ = 0;
  std::deque<int> last_;
};

}  // namespace

TEST_CASE(
    "whatever comes in whatever order, there is one of each, everybody is answered once, and nothing is "
    "left") {
  // MOULT_WALK=SEED,STEPS walks one way again, or further.
  unsigned seed = 1;
  int steps = 1500;
  if (const char* wanted = std::getenv("MOULT_WALK"))
    REQUIRE(std::sscanf(wanted, "%u,%d", &seed, &steps) == 2);
  for (unsigned walk = 0; walk < 3; ++walk) Walk(seed + walk).run(steps);
}
