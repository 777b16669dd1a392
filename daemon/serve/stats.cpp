#include "daemon/serve/stats.h"

#include <algorithm>
#include <cmath>

namespace moult {

std::int64_t CallStats::second_of(SteadyTime now) {
  return std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
}

void CallStats::on_call_done(SteadyTime now, Seconds duration) {
  durations_[calls % durations_.size()] = static_cast<float>(duration.count());
  ++calls;
  const std::int64_t second = second_of(now);
  const auto slot = static_cast<std::size_t>(second) % kSeconds;
  if (seconds_[slot] != second) {
    seconds_[slot] = second;
    counts_[slot] = 0;
  }
  ++counts_[slot];
}

double CallStats::per_second(SteadyTime now) const {
  const std::int64_t second = second_of(now);
  std::uint64_t sum = 0;
  for (std::size_t slot = 0; slot < kSeconds; ++slot) {
    if (seconds_[slot] < second && seconds_[slot] >= second - 10) sum += counts_[slot];
  }
  return static_cast<double>(sum) / 10.0;
}

double CallStats::p95_seconds() const {
  const std::size_t count = std::min<std::uint64_t>(calls, durations_.size());
  if (count == 0) return 0;
  std::array<float, 512> sorted = durations_;
  const auto rank = static_cast<std::size_t>(std::ceil(0.95 * static_cast<double>(count))) - 1;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(rank),
                   sorted.begin() + static_cast<std::ptrdiff_t>(count));
  return static_cast<double>(sorted[rank]);
}

}  // namespace moult
