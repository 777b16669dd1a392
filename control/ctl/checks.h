#pragma once

#include "control/ctl/fields.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace moult::ctl {

// What moultctl alone can find of a machine, as control/checks.h has it. Pure; run_doctor gathers the facts.

struct InotifyFacts {
  std::uint64_t watches_limit = 0;
  std::uint64_t instances_limit = 0;
  std::uint64_t instances_used = 0;
};
Json check_inotify(const std::optional<InotifyFacts>& facts);

struct SocketFacts {
  std::string path;
  int mode = 0;         // of the file
  int folder_mode = 0;  // of its folder
  bool ours = true;
};
Json check_socket(const SocketFacts& facts);

}  // namespace moult::ctl
