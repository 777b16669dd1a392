#include "tests/support/eventually.h"

#include <poll.h>
#include <algorithm>
#include <cstdlib>

namespace moult::testing {

std::chrono::milliseconds patience() {
  const char* factor = std::getenv("MOULT_TEST_PATIENCE");
  const int times = factor == nullptr ? 1 : std::max(1, std::atoi(factor));
  return std::chrono::seconds(30) * times;
}

int left(Deadline deadline) {
  const auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, rest.count()));
}

void let_pass(std::chrono::milliseconds time) {
  const Deadline end = Clock::now() + time;
  while (left(end) > 0) ::poll(nullptr, 0, left(end));
}

bool eventually(const std::function<bool()>& predicate, Deadline deadline) {
  constexpr std::chrono::milliseconds kBetween{10};
  while (true) {
    if (predicate()) return true;
    if (left(deadline) == 0) return false;
    let_pass(kBetween);
  }
}

}  // namespace moult::testing
