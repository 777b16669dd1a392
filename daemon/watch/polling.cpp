#include "daemon/watch/polling.h"

#include <algorithm>

namespace moult {

namespace {

constexpr Seconds kBusyTime{60};
constexpr Seconds kShortest{0.5};
constexpr Seconds kShortestAtRest{1};
constexpr Seconds kLongest{60};
constexpr long long kRacyTime = 2'000'000'000;

}  // namespace

Milliseconds polling_interval(Seconds cost_of_scan, Seconds since_last_change) {
  const bool busy = since_last_change < kBusyTime;
  const Seconds wanted = cost_of_scan * (busy ? 10 : 120);
  const Seconds interval = std::clamp(wanted, busy ? kShortest : kShortestAtRest, kLongest);
  return std::chrono::round<Milliseconds>(interval);
}

bool is_racy(long long changed, long long scan_began) { return changed > scan_began - kRacyTime; }

}  // namespace moult
