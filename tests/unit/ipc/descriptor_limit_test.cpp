#include "ipc/base/descriptor_limit.h"

#include <doctest/doctest.h>

using namespace moult;

TEST_CASE("the reserve grows with the lanes, and leaves half of the descriptors to connections") {
  CHECK(descriptor_reserve(0, 0, 1'000'000) == 64);
  CHECK(descriptor_reserve(2, 8, 1'000'000) == 64 + 24 + 16);
  CHECK(descriptor_reserve(1, 250, 1'000'000) >= 500);
  CHECK(descriptor_reserve(1, 250, 400) == 200);
}
