#pragma once

#include <optional>
#include <string_view>

namespace moult {

// The life of a generation (design.md section 5). The words are those of status and events.
enum class GenerationState {
  spare,      // made before there is code for it; no generation yet
  making,     // its interpreters are being made and import the app
  warming,    // made; warm-up requests run
  active,     // new calls go to it
  draining,   // replaced; finishes its calls
  standby,    // drained and kept warm for a roll-back
  retiring,   // hooks run, threads are joined, the interpreters end
  retired,    // gone as it should
  rejected,   // never served; gone, or going
  abandoned,  // an interpreter could not be ended; its host is being recycled
  lost,       // its host died
};

enum class GenerationEvent {
  taken,      // a spare gets its code
  made,       // all interpreters have imported the app
  refused,    // import, callable or warm-up failed, it took too long, or a change made it stale
  activated,  // the switch, or a roll-back to it
  replaced,   // another generation was activated, or the app was stopped
  drained,    // no call in flight; it is kept
  dropped,    // no call in flight and not to be kept (any longer)
  ended,      // all interpreters said that they have ended
  stuck,      // an interpreter said that it cannot end, or did not say anything in time
  host_lost,
};

std::string_view to_string(GenerationState state);

// The state after `event`; nothing when that cannot happen in `state`, which is a bug of ours,
// except for host_lost and the answers of a host, which may come at any time and are then ignored.
std::optional<GenerationState> next(GenerationState state, GenerationEvent event);

bool is_final(GenerationState state);  // retired, rejected, abandoned, lost

}  // namespace moult
