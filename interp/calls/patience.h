#pragma once

#include "ipc/base/clock.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace moult {

// Whether a thread that waits for the answer to a call looks for it again and again for a moment
// before it sleeps. On a machine with an idle core that saves the time of waking up, twice what the
// call itself takes; on a busy one it takes that time from whoever is to answer. So it tries both,
// keeps to what was faster, and tries the other way now and then. One per thread; pure.
class Patience {
 public:
  // How long one looks; also the longest wait that is worth it.
  static constexpr std::chrono::microseconds kSpin{60};

  // For the next wait.
  bool spins() {
    const bool better = mean_[1] < mean_[0] && mean_[0] < kLongest / 2;
    return ++waits_ % kTryEach == 0 ? !better : better;
  }
  // How that went.
  void took(bool spun, Steady::duration time) {
    Nanoseconds& mean = mean_[spun ? 1 : 0];
    mean += (std::min<Nanoseconds>(time, kLongest) - mean) / kWeight;
  }

 private:
  using Nanoseconds = std::chrono::duration<double, std::nano>;
  static constexpr unsigned kTryEach = 64;
  static constexpr double kWeight = 16;
  static constexpr std::chrono::microseconds kLongest{1000};

  std::array<Nanoseconds, 2> mean_{Nanoseconds(0), Nanoseconds(0)};  // without, with
  unsigned waits_ = 0;
};

}  // namespace moult
