#include "daemon/hosts/memory_room.h"

#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>

using namespace moult;

namespace {

constexpr const char* kMachine = "MemTotal:        8388608 kB\nMemFree: 1 kB\nMemAvailable:    4194304 kB\n";
constexpr std::uint64_t kMiB = 1u << 20;

}  // namespace

TEST_CASE("the machine's memory is what is available of all of it") {
  const TempTree root;
  root.write("proc/meminfo", kMachine);
  const auto room = tightest_memory(root.root());
  REQUIRE(room);
  CHECK(room->total == 8192 * kMiB);
  CHECK(room->left == 4096 * kMiB);
  CHECK(room->where == "the machine");
  CHECK_FALSE(room->is_short());
  CHECK(room->is_enough());
}

TEST_CASE(
    "a control group that holds less counts, also one above, and pages of files that are idle are free") {
  const TempTree root;
  root.write("proc/meminfo", kMachine);
  root.write("proc/self/cgroup", "4:memory:/old\n0::/user.slice/ann/app\n");
  root.write("sys/fs/cgroup/user.slice/ann/app/memory.max", "max\n");
  root.write("sys/fs/cgroup/user.slice/ann/memory.max", "1073741824\n");
  root.write("sys/fs/cgroup/user.slice/ann/memory.current", "1073741824\n");
  root.write("sys/fs/cgroup/user.slice/ann/memory.stat", "anon 5\ninactive_file 104857600\n");
  const auto room = tightest_memory(root.root());
  REQUIRE(room);
  CHECK(room->where == "the control group /user.slice/ann");
  CHECK(room->total == 1024 * kMiB);
  CHECK(room->left == 100 * kMiB);
  CHECK_FALSE(room->is_short());
  CHECK_FALSE(room->is_enough());
}

TEST_CASE("memory is short below a twentieth, but a large machine has 256 MiB at least") {
  const auto room = [](std::uint64_t total, std::uint64_t left) { return MemoryRoom{total, left, ""}; };
  CHECK(room(1000 * kMiB, 49 * kMiB).is_short());
  CHECK_FALSE(room(1000 * kMiB, 51 * kMiB).is_short());
  CHECK_FALSE(room(1000 * kMiB, 99 * kMiB).is_enough());
  CHECK(room(1000 * kMiB, 101 * kMiB).is_enough());
  CHECK_FALSE(room(500'000 * kMiB, 257 * kMiB).is_short());
  CHECK(room(500'000 * kMiB, 255 * kMiB).is_short());
}

TEST_CASE("without a word of the kernel nothing is known") {
  const TempTree root;
  CHECK_FALSE(tightest_memory(root.root()));
  root.write("proc/meminfo", "MemTotal: many\nMemAvailable: 1 kB\n");
  root.write("proc/self/cgroup", "0::/\n");
  CHECK_FALSE(tightest_memory(root.root()));
}
