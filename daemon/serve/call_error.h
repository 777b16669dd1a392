#pragma once

#include "daemon/serve/call.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// Why a call of a function has no result: what the answer's head says (ipc/PROTOCOL.md has the
// reasons), and the error that its body is. A value; what a worker answers itself is one as well.
struct CallError {
  std::string reason;  // "raised", "timeout"
  std::uint16_t status = 500;
  std::string type;  // "ValueError"
  std::string message;
  std::string traceback{};
  std::string hint{};
};

// What the daemon answers by itself.
CallError no_such_app(const std::string& app, const std::vector<std::string>& names);
CallError error_of(CallFailure failure, const std::string& app, std::string_view detail);

// The JSON object of the protocol, and back: what cannot be read gives an error that says so.
std::string encode(const CallError& error);
CallError decode_call_error(std::string_view reason, std::string_view body);

}  // namespace moult
