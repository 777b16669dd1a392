#pragma once

#include "control/ctl/fields.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace moult::ctl {

// What `moultctl doctor` finds without the daemon. Each check is a JSON object of the kind that the
// daemon's `doctor` gives: {name, status, text, hint}. These are pure; run_doctor gathers the facts.

// Soft limits; nullopt: unlimited.
Json check_open_files(std::optional<std::uint64_t> limit);
Json check_processes(std::optional<std::uint64_t> limit);

struct InotifyFacts {
  std::uint64_t watches_limit = 0;
  std::uint64_t instances_limit = 0;
  std::uint64_t instances_used = 0;
};
Json check_inotify(const std::optional<InotifyFacts>& facts);

struct DiskFacts {
  std::string folder;
  std::uint64_t free_bytes = 0;
  std::uint64_t free_inodes = 0;
  bool writable = true;
};
Json check_disk(const std::optional<DiskFacts>& facts);

Json check_modules(const std::vector<std::string>& modules);

struct SocketFacts {
  std::string path;
  int mode = 0;         // of the file
  int folder_mode = 0;  // of its folder
  bool ours = true;
};
Json check_socket(const SocketFacts& facts);

}  // namespace moult::ctl
