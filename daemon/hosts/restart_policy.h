#pragma once

#include "ipc/base/clock.h"

namespace moult {

// How long to wait before an app whose host died, or whose first load failed because of a dying
// host, is made again: at once the first time, then 1, 2, 4, … 60 s; a minute of peace starts over.
// Pure: time is passed in. One per app.
class RestartPolicy {
 public:
  static constexpr Milliseconds kFirst{1'000};
  static constexpr Milliseconds kLongest{60'000};
  static constexpr Milliseconds kPeace{60'000};

  Milliseconds on_death(SteadyTime now);
  void reset() { deaths_ = 0; }
  int deaths() const { return deaths_; }

 private:
  int deaths_ = 0;
  SteadyTime last_{};
};

}  // namespace moult
