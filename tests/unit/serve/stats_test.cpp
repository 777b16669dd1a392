#include "daemon/serve/stats.h"

#include <doctest/doctest.h>

using namespace moult;

namespace {

SteadyTime at(double seconds) {
  return SteadyTime(std::chrono::seconds(5000) +
                    std::chrono::duration_cast<SteadyTime::duration>(Seconds(seconds)));
}

void calls(CallStats& stats, SteadyTime now, int count, double duration = 0.001) {
  for (int i = 0; i < count; ++i) stats.on_call_done(now, Seconds(duration));
}

}  // namespace

TEST_CASE("an app that served nothing has no rate and no p95") {
  const CallStats stats;
  CHECK(stats.per_second(at(0)) == 0);
  CHECK(stats.per_second(SteadyTime{}) == 0);
  CHECK(stats.p95_seconds() == 0);
}

TEST_CASE("the rate is the mean of the last ten whole seconds") {
  CallStats stats;
  for (int second = 0; second < 20; ++second) calls(stats, at(second + 0.5), 7);
  CHECK(stats.per_second(at(20)) == doctest::Approx(7));
  CHECK(stats.calls == 140);
}

TEST_CASE("the second that is not over does not count yet") {
  CallStats stats;
  calls(stats, at(0.2), 30);
  CHECK(stats.per_second(at(0.9)) == 0);
  CHECK(stats.per_second(at(1.0)) == doctest::Approx(3));
}

TEST_CASE("a second counts for ten seconds after it and then no more") {
  CallStats stats;
  calls(stats, at(0.2), 30);
  CHECK(stats.per_second(at(10.9)) == doctest::Approx(3));
  CHECK(stats.per_second(at(11.0)) == 0);
  CHECK(stats.per_second(at(3600)) == 0);
}

TEST_CASE("a place in the ring that comes round again begins at nothing") {
  CallStats stats;
  calls(stats, at(0), 1000);
  calls(stats, at(11), 10);  // the same place
  CHECK(stats.per_second(at(12)) == doctest::Approx(1));
}

TEST_CASE("p95 is the duration that 19 of 20 calls do not exceed") {
  CallStats stats;
  for (int i = 20; i >= 1; --i) stats.on_call_done(at(0), Seconds(i));
  CHECK(stats.p95_seconds() == doctest::Approx(19));
}

TEST_CASE("p95 of one call is that call, of two the slower") {
  CallStats stats;
  stats.on_call_done(at(0), Seconds(0.25));
  CHECK(stats.p95_seconds() == doctest::Approx(0.25));
  stats.on_call_done(at(0), Seconds(0.125));
  CHECK(stats.p95_seconds() == doctest::Approx(0.25));
}

TEST_CASE("p95 is of the last 512 calls") {
  CallStats stats;
  calls(stats, at(0), 512, 9.0);
  calls(stats, at(1), 511, 0.5);
  CHECK(stats.p95_seconds() == doctest::Approx(0.5));
  calls(stats, at(2), 100, 7.0);
  CHECK(stats.p95_seconds() == doctest::Approx(7.0));
}

TEST_CASE("one slow call in a hundred does not move p95") {
  CallStats stats;
  calls(stats, at(0), 99, 0.01);
  calls(stats, at(0), 1, 30);
  CHECK(stats.p95_seconds() == doctest::Approx(0.01));
}
