#include "daemon/moult/doubt.h"

#include <doctest/doctest.h>

using namespace moult;

TEST_CASE("a change opens a doubt, and what is found to have changed nothing closes it") {
  Doubt doubt;
  doubt.begin_attempt();
  CHECK_FALSE(doubt.is_open());
  doubt.on_change("app.py");
  CHECK(doubt.is_open());
  CHECK(doubt.last_change() == "app.py");
  const int looked_at = doubt.changes();
  doubt.on_change("views.py");  // while the disk was looked at
  doubt.judge(looked_at);
  CHECK(doubt.is_open());
  doubt.judge(doubt.changes());
  CHECK_FALSE(doubt.is_open());
  doubt.on_change("views.py");
  doubt.judge_all();
  CHECK_FALSE(doubt.is_open());
}

TEST_CASE("a new attempt begins without the doubts of the one before") {
  Doubt doubt;
  doubt.begin_attempt();
  doubt.on_change("app.py");
  doubt.begin_attempt();
  CHECK_FALSE(doubt.is_open());
  doubt.on_change("app.py");
  CHECK(doubt.is_open());
}

TEST_CASE(
    "after three spoiled attempts in a row one passes, and the next wait ever longer, a minute at most") {
  Doubt doubt;
  const SteadyTime now{Milliseconds(5'000)};
  int told = 0;
  for (int attempt = 1; attempt < Doubt::kPatience; ++attempt) {
    told += doubt.spoil(now) ? 1 : 0;
    CHECK_FALSE(doubt.may_pass());
    CHECK(doubt.not_before() == SteadyTime{});
  }
  Milliseconds before{0};
  for (int attempt = 0; attempt < 40; ++attempt) {
    told += doubt.spoil(now) ? 1 : 0;
    CHECK(doubt.may_pass());
    const auto pause = std::chrono::duration_cast<Milliseconds>(doubt.not_before() - now);
    CHECK(pause >= before);
    CHECK(pause <= Doubt::kLongestPause);
    if (attempt == 0) CHECK(pause == Milliseconds(1'000));
    before = pause;
  }
  CHECK(before == Doubt::kLongestPause);
  CHECK(told == 1);
  doubt.on_load_without_change();
  CHECK_FALSE(doubt.may_pass());
  CHECK_FALSE(doubt.spoil(now));
}
