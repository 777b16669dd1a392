#pragma once

#include "ipc/base/result.h"
#include "ipc/host_commands.h"
#include "ipc/host_events.h"

#include <string>
#include <string_view>
#include <vector>

// The packets of a command channel as bytes, for both of its ends. What is read comes from another process:
// whatever it is, it is decoded, or refused with ErrorCode::protocol and the member that is wrong. A member
// of another kind, or a number that its type does not hold, refuses the packet; one that nobody knows is
// passed over.

namespace moult {

std::string encode_command(const HostCommand& command);
Result<HostCommand> decode_command(std::string_view packet);

// Mostly one packet; `imports` takes as many as it needs. A text or a list that is too long for one is cut,
// since the packet would be lost whole.
std::vector<std::string> encode_event(const HostEvent& event);
Result<HostEvent> decode_event(std::string_view packet);

}  // namespace moult
