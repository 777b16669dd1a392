#include "daemon/front/pace.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace moult::http;

namespace {

SteadyTime at(int seconds) { return SteadyTime{} + std::chrono::seconds(seconds); }

}  // namespace

TEST_CASE("a pace counts the time that its client was waited for, and no other") {
  Pace pace;
  pace.wait(at(0));
  pace.wait(at(2));  // it waits already
  pace.moved(400);
  pace.stop(at(4));
  CHECK_FALSE(pace.is_waiting());
  CHECK(pace.rate(at(100)) == doctest::Approx(100));
  CHECK_FALSE(pace.is_slow(at(100), Seconds(5), 1000));
  pace.wait(at(200));
  CHECK(pace.is_waiting());
  CHECK_FALSE(pace.is_slow(at(201), Seconds(5), 1000));
  CHECK(pace.is_slow(at(202), Seconds(5), 1000));
  CHECK_FALSE(pace.is_slow(at(202), Seconds(5), 50));
  pace.reset();
  CHECK_FALSE(pace.is_slow(at(300), Seconds(0), 1000));
}

TEST_CASE("a fast beginning does not pay for a stop later") {
  Pace pace;
  pace.wait(at(0));
  pace.moved(100'000'000);
  for (int second = 1; second <= 9; ++second) CHECK_FALSE(pace.is_slow(at(second), Seconds(2), 1000));
  CHECK(pace.is_slow(at(10), Seconds(2), 1000));
  for (int second = 11; second <= 59; ++second) CHECK_FALSE(pace.is_below(at(second), Seconds(30), 500));
  CHECK(pace.is_below(at(60), Seconds(30), 500));
  for (int second = 61; second < 120; ++second) {
    pace.moved(600);
    pace.rate(at(second));
  }
  CHECK_FALSE(pace.is_below(at(120), Seconds(30), 500));
}
