#pragma once

#include "ipc/base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <string_view>

// How every text becomes JSON, in all programs (check_layers.cmake holds that). The library parses
// without recursion, but copies and writes a value level by level on the stack: 1 MiB of `[` overflows
// it. So the depth is bounded before anything is made.

namespace moult {

inline constexpr unsigned kJsonDepthMax = 64;

// Whether lists and objects are nested deeper than `limit`. Of a text that is no JSON too.
bool is_json_too_deep(std::string_view text, unsigned limit = kJsonDepthMax);

// Errors (protocol): no JSON, with the byte; nested too deep.
Result<nlohmann::json> parse_json(std::string_view text);

// The same where no reason is asked for: a discarded value, which is of no type.
nlohmann::json parse_json_or_discard(std::string_view text);

}  // namespace moult
