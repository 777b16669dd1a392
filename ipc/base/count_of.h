#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace moult {

// "1 file", "2 files", of "file".
std::string count_of(std::uint64_t count, std::string_view one);

}  // namespace moult
