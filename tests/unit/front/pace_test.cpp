#include "daemon/front/pace.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace moult::http;

TEST_CASE("a pace counts the time that its client was waited for, and no other") {
  const auto at = [](int seconds) { return SteadyTime{} + std::chrono::seconds(seconds); };
  Pace pace;
  pace.wait(at(0));
  pace.wait(at(5));  // it waits already
  pace.moved(600);
  pace.stop(at(10));
  CHECK_FALSE(pace.is_waiting());
  CHECK(pace.time(at(100)) == Seconds(10));
  pace.wait(at(200));
  CHECK(pace.time(at(205)) == Seconds(15));
  CHECK(pace.rate(at(205)) == doctest::Approx(40));
  CHECK(pace.is_below(at(205), Seconds(14), 41));
  CHECK_FALSE(pace.is_below(at(205), Seconds(16), 41));
  CHECK_FALSE(pace.is_below(at(205), Seconds(14), 39));
  pace.reset();
  CHECK(pace.time(at(300)) == Seconds(0));
}
