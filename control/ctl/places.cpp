#include "control/ctl/places.h"

#include <unistd.h>
#include <filesystem>

namespace moult::ctl {

namespace {

std::string variable(const control::Surroundings& surroundings, const char* name) {
  const auto found = surroundings.environment.find(name);
  return found == surroundings.environment.end() ? "" : found->second;
}

}  // namespace

std::string state_folder(const control::Surroundings& surroundings) {
  // The XDG base directory specification: relative paths are invalid and to be ignored.
  if (const std::string given = variable(surroundings, "XDG_STATE_HOME"); given.starts_with('/')) {
    return given + "/moult";
  }
  return surroundings.home.empty() ? "" : surroundings.home + "/.local/state/moult";
}

std::string own_folder() {
  std::error_code error;
  const auto file = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "" : file.parent_path().string();
}

std::string find_moultd(const std::string& beside, const control::Surroundings& surroundings) {
  const auto is_program = [](const std::string& path) { return ::access(path.c_str(), X_OK) == 0; };
  if (!beside.empty() && is_program(beside + "/moultd")) return beside + "/moultd";
  std::string_view path =
      surroundings.environment.contains("PATH") ? surroundings.environment.at("PATH") : std::string_view();
  while (!path.empty()) {
    const std::string folder(path.substr(0, path.find(':')));
    if (folder.starts_with('/') && is_program(folder + "/moultd")) return folder + "/moultd";
    path.remove_prefix(std::min(folder.size() + 1, path.size()));
  }
  return {};
}

std::map<std::string, std::string> daemon_environment(const control::Surroundings& surroundings,
                                                      const std::string& socket) {
  auto environment = surroundings.environment;
  for (const char* name : {"INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID",
                           "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
    environment.erase(name);
  }
  if (!surroundings.home.empty()) environment.emplace("HOME", surroundings.home);
  environment.emplace("PATH", "/usr/local/bin:/usr/bin:/bin");
  if (!socket.empty()) environment["MOULT_SOCKET"] = socket;
  return environment;
}

}  // namespace moult::ctl
