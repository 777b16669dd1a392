#include "interp/calls/patience.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace std::chrono_literals;

namespace {

// Waits `count` times, each as long as the way that was chosen takes. How often it span.
int waits(Patience& patience, int count, Steady::duration asleep, Steady::duration spinning) {
  int spun = 0;
  for (int i = 0; i < count; ++i) {
    const bool spins = patience.spins();
    patience.took(spins, spins ? spinning : asleep);
    spun += spins ? 1 : 0;
  }
  return spun;
}

}  // namespace

TEST_CASE("who waits keeps to what was faster, and tries the other way now and then") {
  Patience patience;
  waits(patience, 2000, 65us, 34us);
  CHECK(waits(patience, 640, 65us, 34us) == 630);
  waits(patience, 4000, 30us, 60us);  // the machine became busy
  CHECK(waits(patience, 640, 30us, 60us) == 10);
  waits(patience, 4000, 65us, 34us);
  CHECK(waits(patience, 640, 65us, 34us) == 630);
}

TEST_CASE("nobody spins for what takes long anyway") {
  Patience patience;
  waits(patience, 2000, 50ms, 49ms);
  CHECK(waits(patience, 640, 50ms, 49ms) <= 10);
}
