#include "daemon/hosts/restart_policy.h"

#include <doctest/doctest.h>

#include <vector>

using namespace moult;

namespace {

SteadyTime at(long long milliseconds) {
  return SteadyTime(std::chrono::seconds(1000) + Milliseconds(milliseconds));
}

}  // namespace

TEST_CASE("the first death is answered at once, each further one with twice the wait, up to a minute") {
  RestartPolicy policy;
  std::vector<int> waits;
  SteadyTime now = at(0);
  for (int death = 0; death < 12; ++death) {
    const Milliseconds wait = policy.on_death(now);
    waits.push_back(static_cast<int>(wait.count()));
    now += wait + Milliseconds(100);  // it dies again as soon as it runs
  }
  CHECK(waits ==
        std::vector<int>{0, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000, 60000, 60000});
  CHECK(policy.deaths() == 12);
}

TEST_CASE("a minute of peace starts over") {
  RestartPolicy policy;
  policy.on_death(at(0));
  policy.on_death(at(10));
  CHECK(policy.on_death(at(20)) == Milliseconds(2000));
  // 2 s of waiting, then more than a minute of serving.
  CHECK(policy.on_death(at(20 + 2000 + 60'001)) == Milliseconds(0));
  CHECK(policy.deaths() == 1);
}

TEST_CASE("the wait that was imposed is not peace") {
  RestartPolicy policy;
  SteadyTime now = at(0);
  Milliseconds wait{0};
  for (int death = 0; death < 9; ++death) {
    wait = policy.on_death(now);
    now += wait;
  }
  REQUIRE(wait == Milliseconds(60'000));
  // It waited for a minute and served for another, to the millisecond.
  CHECK(policy.on_death(now + Milliseconds(60'000)) == Milliseconds(60'000));
  CHECK(policy.deaths() == 10);
}

TEST_CASE("peace is counted from the last death, not from the first") {
  RestartPolicy policy;
  policy.on_death(at(0));
  policy.on_death(at(50'000));
  CHECK(policy.on_death(at(100'000)) == Milliseconds(2000));
}

TEST_CASE("a reset makes the next death the first") {
  RestartPolicy policy;
  policy.on_death(at(0));
  policy.on_death(at(1));
  policy.reset();
  CHECK(policy.deaths() == 0);
  CHECK(policy.on_death(at(2)) == Milliseconds(0));
  CHECK(policy.on_death(at(3)) == Milliseconds(1000));
}

TEST_CASE("a death at the very start of the clock is not taken for peace") {
  RestartPolicy policy;
  CHECK(policy.on_death(SteadyTime{}) == Milliseconds(0));
  CHECK(policy.on_death(SteadyTime{}) == Milliseconds(1000));
}

TEST_CASE("a thousand deaths do not overflow the wait") {
  RestartPolicy policy;
  for (int death = 0; death < 1000; ++death) policy.on_death(at(death));
  CHECK(policy.on_death(at(1000)) == RestartPolicy::kLongest);
}
