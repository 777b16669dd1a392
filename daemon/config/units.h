#pragma once

#include "ipc/base/clock.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// The texts that parse_duration and parse_size read back: "100ms", "5s", "2min"; "64MiB", "1500".
std::string duration_text(Milliseconds duration);
std::string size_text(std::uint64_t bytes);

// A TOML basic string with its quotes; a list of them.
std::string toml_string(std::string_view text);
std::string toml_list(const std::vector<std::string>& items);
// A key: bare where TOML allows it.
std::string toml_key(std::string_view key);

}  // namespace moult
