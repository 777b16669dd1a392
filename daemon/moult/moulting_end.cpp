#include "daemon/moult/moulting.h"

namespace moult {

// The daemon stops: what becomes of calls while their generations go on.

int Moulting::end_calls(SteadyTime begun_by, SteadyTime deadline, SteadyTime now) {
  const bool is_late = now >= deadline;
  int left = 0;
  for (const auto& generation : generations_) {
    left += generation->calls_begun_by(begun_by);
    if (!is_late) continue;
    const int interrupted = generation->end_calls_begun_by(begun_by, now);
    if (interrupted > 0) tell_outlived(*generation, interrupted);
  }
  return is_late ? 0 : left;
}

void Moulting::end_streams() {
  for (const auto& generation : generations_) generation->end_streams();
}

}  // namespace moult
