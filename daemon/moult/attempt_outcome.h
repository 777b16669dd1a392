#pragma once

#include "daemon/serve/generation.h"

#include <cstdint>
#include <string>

namespace moult {

// How an attempt to make a generation ended, for whoever asked for it.
struct AttemptOutcome {
  enum class Kind { switched, unchanged, checked, rejected, failed, stopped } kind = Kind::failed;
  std::uint64_t generation = 0;
  std::uint64_t previous = 0;  // that served before; 0: none
  double make_seconds = 0;
  Cause cause{};
  std::string snapshot{};
  std::size_t files = 0;
  bool same_as_active = false;
  std::string isolation{};
  Rejection rejection{};  // kind rejected
  Error error{};          // kind failed
};

}  // namespace moult
