#pragma once

#include "ipc/base/clock.h"

#include <array>
#include <cstdint>

namespace moult {

// Counters of one app and the figures that `list` shows. Constant size; time is passed in.
class CallStats {
 public:
  void on_call_done(SteadyTime now, Seconds duration);

  double per_second(SteadyTime now) const;  // mean of the last 10 whole seconds
  double p95_seconds() const;               // of the last 512 calls; 0 when there were none

  std::uint64_t calls = 0;
  std::uint64_t errors = 0;        // the app raised
  std::uint64_t timeouts = 0;      // call_timeout
  std::uint64_t drain_killed = 0;  // outlived drain_timeout
  std::uint64_t refused = 0;       // 503: queue full or late, app stopped or unavailable
  std::uint64_t queue_full = 0;    // of these
  std::uint64_t queue_late = 0;
  std::uint64_t lost = 0;  // 502: the host died
  std::uint64_t retried = 0;

 private:
  static constexpr std::size_t kSeconds = 11;
  static std::int64_t second_of(SteadyTime now);

  std::array<std::uint32_t, kSeconds> counts_{};
  std::array<std::int64_t, kSeconds> seconds_{};
  std::array<float, 512> durations_{};
};

}  // namespace moult
