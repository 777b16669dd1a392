#include "daemon/hosts/host_memory.h"

#include <doctest/doctest.h>

#include <functional>

using namespace moult;

namespace {

constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::uint64_t kMost = 256 * kMiB;

// When a host whose apps are loaded after 2 s, and which is looked at every 10 s, is found too large; 0:
// never.
int too_large_after(const std::function<std::uint64_t(int second)>& resident) {
  HostMemory memory;
  memory.on_made(resident(2), std::chrono::seconds(2));
  for (int second = 10; second <= 3600; second += 10) {
    if (memory.look(resident(second), std::chrono::seconds(second), kMost)) return second;
  }
  return 0;
}

}  // namespace

TEST_CASE("a leak from the first second on is found, however fast it is") {
  // 400 MiB leaked in the first half minute were taken for loaded.
  CHECK(too_large_after([](int second) { return (50 + 13 * static_cast<std::uint64_t>(second)) * kMiB; }) ==
        60);
  CHECK(too_large_after([](int second) { return (50 + 100 * static_cast<std::uint64_t>(second)) * kMiB; }) ==
        40);
  CHECK(too_large_after([](int second) { return (50 + static_cast<std::uint64_t>(second)) * kMiB; }) == 260);
}

TEST_CASE("what an app loads with its first requests is no leak") {
  CHECK(too_large_after([](int second) { return second < 20 ? 50 * kMiB : 700 * kMiB; }) == 0);
  CHECK(too_large_after([](int second) { return second < 25 ? 50 * kMiB : 4000 * kMiB; }) == 0);
  CHECK(too_large_after([](int second) {
          return (second < 20 ? 50u : 700u + static_cast<std::uint64_t>(second) / 10) * kMiB;
        }) > 2000);
}

TEST_CASE("a host that stays as it is, or shrinks, is never too large") {
  CHECK(too_large_after([](int) { return 500 * kMiB; }) == 0);
  CHECK(too_large_after([](int second) { return second < 60 ? 500 * kMiB : 100 * kMiB; }) == 0);
}

TEST_CASE("what is made after the first half minute is growth, as a leak at each change is") {
  HostMemory memory;
  memory.on_made(50 * kMiB, std::chrono::seconds(1));
  CHECK_FALSE(memory.look(50 * kMiB, std::chrono::seconds(30), kMost));
  CHECK_FALSE(memory.look(50 * kMiB, std::chrono::seconds(60), kMost));
  memory.on_made(400 * kMiB, std::chrono::seconds(70));
  CHECK(memory.growth(400 * kMiB) == 350 * kMiB);
  CHECK(memory.look(400 * kMiB, std::chrono::seconds(70), kMost));
}

TEST_CASE("before anything is known nothing has grown") {
  HostMemory memory;
  CHECK(memory.growth(kMiB) == 0);
  CHECK_FALSE(memory.look(0, std::chrono::seconds(90), kMost));
  CHECK_FALSE(memory.look(900 * kMiB, std::chrono::seconds(100), kMost));
}
