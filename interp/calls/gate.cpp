#include "interp/calls/gate.h"

namespace moult {

void Gate::tell_empty() {
  const std::scoped_lock lock(mutex_);
  emptied_.notify_all();
}

bool Gate::wait_until_empty(SteadyTime deadline) {
  std::unique_lock lock(mutex_);
  return emptied_.wait_until(lock, deadline, [this] { return inside() == 0; });
}

}  // namespace moult
