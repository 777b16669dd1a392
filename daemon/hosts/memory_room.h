#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace moult {

// How much memory is left where it is tightest: in the machine, or in a control group (cgroup v2) that the
// daemon is in. A value; bytes.
struct MemoryRoom {
  std::uint64_t total = 0;
  std::uint64_t left = 0;  // without swapping: MemAvailable of proc(5), memory.max less what cannot be freed
  std::string where;       // "the machine", "the control group /user.slice"

  // Less than a twentieth is left, and less than 256 MiB.
  bool is_short() const;
  // It is short no longer: twice as much. What is between changes nothing.
  bool is_enough() const;
};

// Nothing where the kernel tells neither. Does not block. `root`: what stands before /proc and /sys.
std::optional<MemoryRoom> tightest_memory(const std::string& root = {});

}  // namespace moult
