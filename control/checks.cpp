#include "control/checks.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <sys/resource.h>
#include <algorithm>
#include <filesystem>

namespace moult::control {

namespace {

constexpr std::uint64_t kMiB = 1u << 20;

}  // namespace

Json check(const char* name, const char* status, std::string text, std::string hint) {
  return Json{{"name", name}, {"status", status}, {"text", std::move(text)}, {"hint", std::move(hint)}};
}

Json check_open_files(std::optional<std::uint64_t> limit) {
  if (!limit) return check("open files", "ok", "no limit");
  const std::string text = fmt::format("at most {} for a process", *limit);
  if (*limit >= 1024) return check("open files", "ok", text);
  return check("open files", "warning", text,
               "raise it with `ulimit -n 4096`: each connection and worker needs one");
}

Json check_processes(std::optional<std::uint64_t> limit) {
  if (!limit) return check("processes", "ok", "no limit");
  const std::string text = fmt::format("at most {} processes and threads for this user", *limit);
  if (*limit >= 128) return check("processes", "ok", text);
  return check("processes", "warning", text, "lower `threads` of the apps, or raise it with `ulimit -u`");
}

std::optional<std::uint64_t> soft_limit(int resource) {
  rlimit limit{};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::nullopt;
  }
  return limit.rlim_cur;
}

Json check_state_folder(const std::optional<DiskFacts>& facts) {
  constexpr const char* kName = "state folder";
  if (!facts) return check(kName, "error", "it cannot be read", "set HOME or XDG_STATE_HOME");
  if (!facts->problem.empty()) {
    return check(kName, "error", facts->problem,
                 "roll-backs, pins and logs are lost: see to its disk, owner and mode");
  }
  const std::string text = fmt::format("{}: {} MiB free", facts->folder, facts->free_bytes / kMiB);
  if (facts->free_bytes < 16 * kMiB || facts->free_inodes < 100)
    return check(kName, "error", text, "snapshots and logs need room: free some");
  if (facts->free_bytes < 256 * kMiB) return check(kName, "warning", text, "snapshots and logs need room");
  return check(kName, "ok", text);
}

std::vector<std::string> host_modules(const std::string& folder) {
  std::vector<std::string> modules;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("_moult_host.") && name.ends_with(".so")) modules.push_back(name);
  }
  std::sort(modules.begin(), modules.end());
  return modules;
}

Json check_modules(const std::vector<std::string>& modules) {
  if (!modules.empty()) return check("host modules", "ok", fmt::format("{}", fmt::join(modules, ", ")));
  return check("host modules", "error", "none is found beside the programs",
               "build Moult with the headers of your Python (python3-dev), or mend the installation");
}

}  // namespace moult::control
