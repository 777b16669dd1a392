#include "ipc/base/count_of.h"

#include <fmt/format.h>

namespace moult {

std::string count_of(std::uint64_t count, std::string_view one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

}  // namespace moult
