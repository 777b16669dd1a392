#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace moult {

// "1 file", "2 files", of "file".
std::string count_of(std::uint64_t count, std::string_view one);
// How many line ends there are.
std::uint64_t lines_in(std::string_view text);

}  // namespace moult
