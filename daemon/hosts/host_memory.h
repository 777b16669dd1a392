#pragma once

#include "ipc/base/clock.h"

#include <cstdint>

namespace moult {

// Resident memory of a process; 0 when it cannot be read. Does not block.
std::uint64_t resident_bytes(int pid);

// By how much a host has grown since its apps were loaded. What it grew in its first half minute is a
// warm-up, and counted as loaded, only if it grew by less than half as fast in the half minute after: a leak
// goes on. Pure: bytes and the age of the host are passed in. One per host.
class HostMemory {
 public:
  static constexpr Milliseconds kLoading{30'000};  // what is made later is growth
  static constexpr Milliseconds kJudged{60'000};

  // An interpreter has been made.
  void on_made(std::uint64_t resident, Milliseconds age);
  // Now and then. True: it has grown by more than `most`; before the judgement by more than four times that.
  bool look(std::uint64_t resident, Milliseconds age, std::uint64_t most);
  std::uint64_t growth(std::uint64_t resident) const;

 private:
  std::uint64_t baseline_ = 0;  // 0: nothing is known yet
  Milliseconds baseline_at_{};
  std::uint64_t warm_ = 0;  // after the first half minute
  Milliseconds warm_at_{};
  bool judged_ = false;
};

}  // namespace moult
