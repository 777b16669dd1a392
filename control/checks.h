#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace moult::control {

using Json = nlohmann::json;

// What the daemon and, without one, moultctl say of a machine: {name, status, text, hint}, status `ok`,
// `warning` or `error`. The checks are pure; who asks gathers the facts.
Json check(const char* name, const char* status, std::string text, std::string hint = {});

// Soft limits; nullopt: unlimited.
Json check_open_files(std::optional<std::uint64_t> limit);
Json check_processes(std::optional<std::uint64_t> limit);
// The soft limit of this process, as getrlimit(2) has it.
std::optional<std::uint64_t> soft_limit(int resource);

// Of the state folder.
struct DiskFacts {
  std::string folder;
  std::uint64_t free_bytes = 0;
  std::uint64_t free_inodes = 0;
  std::string problem{};  // why it, or what is in it, cannot be written
};
Json check_state_folder(const std::optional<DiskFacts>& facts);

// The file names of the host modules in a folder, sorted. Blocks.
std::vector<std::string> host_modules(const std::string& folder);
Json check_modules(const std::vector<std::string>& modules);

}  // namespace moult::control
