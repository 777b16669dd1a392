#include "daemon/supervise/moulting.h"

#include "ipc/base/count_of.h"

#include <fmt/format.h>

namespace moult {

// The daemon stops: what becomes of calls while their generations go on.

int Moulting::end_calls(SteadyTime begun_by, SteadyTime deadline, SteadyTime now) {
  const bool is_late = now >= deadline;
  int left = 0;
  for (const auto& generation : generations_) {
    left += generation->calls_begun_by(begun_by);
    if (!is_late) continue;
    const int interrupted = generation->end_calls_begun_by(begun_by, now);
    if (interrupted == 0) continue;
    stats_.drain_killed += static_cast<std::uint64_t>(interrupted);
    generation->record().drain_killed += static_cast<std::uint64_t>(interrupted);
    services_.log.warning(
        fmt::format("{} of generation {} outlived drain_timeout: interrupted",
                    count_of(static_cast<std::uint64_t>(interrupted), "call"), generation->number()),
        {{"app", config_.name}});
    announce("call.killed", *generation, {{"reason", "drain_timeout"}});
  }
  return is_late ? 0 : left;
}

void Moulting::end_streams() {
  for (const auto& generation : generations_) generation->end_streams();
}

}  // namespace moult
