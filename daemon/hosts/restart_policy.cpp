#include "daemon/hosts/restart_policy.h"

#include <algorithm>

namespace moult {

Milliseconds RestartPolicy::on_death(SteadyTime now) {
  // The wait that was imposed last is not peace.
  const Milliseconds imposed =
      deaths_ < 2 ? Milliseconds(0) : std::min(kLongest, kFirst * (1 << std::min(deaths_ - 2, 6)));
  if (deaths_ > 0 && now - last_ > kPeace + imposed) deaths_ = 0;
  last_ = now;
  ++deaths_;
  if (deaths_ == 1) return Milliseconds(0);
  return std::min(kLongest, kFirst * (1 << std::min(deaths_ - 2, 6)));
}

}  // namespace moult
