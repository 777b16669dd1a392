#include "control/checks.h"
#include "control/ctl/checks.h"
#include "control/ctl/commands.h"
#include "control/ctl/pages.h"
#include "control/ctl/places.h"

#include <nlohmann/json.hpp>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <algorithm>
#include <charconv>
#include <filesystem>

namespace moult::ctl {

namespace {

std::optional<std::uint64_t> number_in(const std::string& path) {
  const auto text = read_file(path, 64);
  std::uint64_t number = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc())
    return std::nullopt;
  return number;
}

// Inotify instances of this user's processes; those of others cannot be seen and do not count.
std::uint64_t inotify_instances() {
  namespace fs = std::filesystem;
  std::uint64_t count = 0;
  std::error_code error;
  for (const auto& process : fs::directory_iterator("/proc", error)) {
    struct stat status {};
    const std::string folder = process.path().string();
    if (::stat(folder.c_str(), &status) != 0 || status.st_uid != ::geteuid()) continue;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator(folder + "/fd", gone)) {
      std::error_code vanished;
      if (fs::read_symlink(entry.path(), vanished) == "anon_inode:inotify") ++count;
    }
  }
  return count;
}

std::optional<InotifyFacts> inotify_facts() {
  const auto watches = number_in("/proc/sys/fs/inotify/max_user_watches");
  const auto instances = number_in("/proc/sys/fs/inotify/max_user_instances");
  if (!watches || !instances) return std::nullopt;
  return InotifyFacts{*watches, *instances, inotify_instances()};
}

std::optional<control::DiskFacts> disk_facts(const std::string& folder) {
  if (folder.empty()) return std::nullopt;
  std::filesystem::path existing = folder;
  std::error_code error;
  while (!std::filesystem::exists(existing, error) && existing.has_relative_path())
    existing = existing.parent_path();
  struct statvfs status {};
  if (::statvfs(existing.c_str(), &status) != 0) return std::nullopt;
  const bool writable = ::access(existing.c_str(), W_OK | X_OK) == 0;
  return control::DiskFacts{folder, static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize,
                            static_cast<std::uint64_t>(status.f_favail),
                            writable ? "" : existing.string() + " cannot be written"};
}

std::optional<SocketFacts> socket_facts(const std::string& path, uid_t uid) {
  struct stat file {};
  struct stat folder {};
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (::lstat(path.c_str(), &file) != 0 || ::stat(parent.c_str(), &folder) != 0) return std::nullopt;
  return SocketFacts{path, static_cast<int>(file.st_mode & 07777), static_cast<int>(folder.st_mode & 07777),
                     file.st_uid == uid || uid == 0};
}

Json check_daemon(Invocation& invocation, Json& checks) {
  const auto result = invocation.call("doctor", Json::object());
  if (result) {
    for (const Json& one : list_at(*result, "checks")) checks.push_back(one);
    const auto client = invocation.connect();
    const std::string path = client ? (*client)->path() : "";
    return Json{{"name", "daemon"}, {"status", "ok"}, {"text", "answers at " + path}, {"hint", ""}};
  }
  Error error = result.error();
  for (std::size_t at = 0; (at = error.detail.find('\n', at)) != std::string::npos;)
    error.detail.replace(at, 1, "; ");
  const bool unreachable = error.code == ErrorCode::unreachable;
  return Json{{"name", "daemon"},
              {"status", unreachable ? "warning" : "error"},
              {"text", error.detail.empty() ? error.message : error.message + " (" + error.detail + ")"},
              {"hint", error.hint}};
}

}  // namespace

int run_doctor(Invocation& invocation) {
  Json from_daemon = Json::array();
  Json checks = Json::array({check_daemon(invocation, from_daemon)});
  for (const std::string& path : invocation.socket_candidates()) {
    if (const auto facts = socket_facts(path, invocation.surroundings().uid))
      checks.push_back(check_socket(*facts));
  }
  checks.push_back(check_inotify(inotify_facts()));
  if (from_daemon.empty()) {  // a daemon that runs knows its own limits and folders better
    checks.push_back(control::check_modules(control::host_modules(own_folder() + "/../lib/moult")));
    checks.push_back(control::check_open_files(control::soft_limit(RLIMIT_NOFILE)));
    checks.push_back(control::check_processes(control::soft_limit(RLIMIT_NPROC)));
    checks.push_back(control::check_state_folder(disk_facts(state_folder(invocation.surroundings()))));
  }
  for (Json& one : from_daemon) checks.push_back(std::move(one));
  bool healthy = true;
  for (const Json& one : checks) healthy = healthy && text_at(one, "status") != "error";
  const Json result{{"checks", std::move(checks)}};
  if (invocation.options().json) {
    invocation.print_json(result);
  } else if (!invocation.options().quiet || !healthy) {
    invocation.print(doctor_table(result, invocation.look()));
  }
  return healthy ? 0 : exit_code(ErrorCode::failed);
}

}  // namespace moult::ctl
