#include "daemon/methods/doctor.h"

#include "control/checks.h"
#include "daemon/daemon.h"
#include "ipc/base/count_of.h"
#include "ipc/base/fd.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <cerrno>
#include <string>
#include <vector>

namespace moult {

using control::check;
using control::Json;

namespace {

Json cache_check(const std::string& folder, std::uint64_t bytes) {
  if (bytes == 0) return check("bytecode cache", "ok", "off");
  const std::string text = fmt::format("at most {} MiB in {}", bytes >> 20, folder);
  for (const std::string& path : {folder, folder + "/code"}) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      if (errno == ENOENT) continue;  // made with the first code that is kept
      return check("bytecode cache", "warning", describe(last_os_error(path)), "each host compiles anew");
    }
    const bool is_private = S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() &&
                            (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    if (!is_private) {
      return check("bytecode cache", "warning",
                   fmt::format("{} is not used: it belongs to another user, or others may write to it", path),
                   fmt::format("rm -r {}, or chmod 700 it", path));
    }
  }
  return check("bytecode cache", "ok", text);
}

// Whether a file could be made: also a full disk, a quota and a file system that is mounted read-only say no.
Result<> can_write(const std::string& folder) {
  const Fd nameless(::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (nameless) return {};
  const bool is_unknown = errno == EOPNOTSUPP || errno == EISDIR;  // open(2): not by this file system
  if (is_unknown && ::access(folder.c_str(), W_OK | X_OK) == 0) return {};
  return fail(last_os_error(folder));
}

// Why the state folder, those of the apps or their logs cannot be written; "".
std::string state_problem(const Daemon& daemon) {
  std::vector<std::string> folders{daemon.state_folder()};
  for (const App* app : daemon.supervisor().apps())
    folders.push_back(fmt::format("{}/apps/{}", daemon.state_folder(), app->config().name));
  for (const std::string& folder : folders) {
    if (const auto written = can_write(folder); !written)
      return "cannot be written: " + written.error().message;
  }
  for (const App* app : daemon.supervisor().apps()) {
    if (const std::string& problem = app->log().problem(); !problem.empty())
      return fmt::format("the log of {} cannot be written: {}", app->config().name, problem);
  }
  return {};
}

std::optional<control::DiskFacts> state_facts(const Daemon& daemon) {
  struct statvfs disk {};
  if (::statvfs(daemon.state_folder().c_str(), &disk) != 0) return std::nullopt;
  return control::DiskFacts{daemon.state_folder(), static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize,
                            static_cast<std::uint64_t>(disk.f_favail), state_problem(daemon)};
}

}  // namespace

Json doctor_checks(const Daemon& daemon) {
  Json checks = Json::array();
  checks.push_back(control::check_modules(control::host_modules(daemon.module_folder())));
  checks.push_back(control::check_open_files(control::soft_limit(RLIMIT_NOFILE)));
  checks.push_back(control::check_processes(control::soft_limit(RLIMIT_NPROC)));
  checks.push_back(control::check_state_folder(state_facts(daemon)));
  checks.push_back(cache_check(daemon.cache_folder(), daemon.config().daemon.bytecode_cache));
  for (const App* app : daemon.supervisor().apps()) {
    const WatchStatus watch = app->watch_status();
    if (!watch.note.empty())
      checks.push_back(check("watching", "warning", fmt::format("{}: {}", app->config().name, watch.note)));
    if (app->state() == AppState::failed) {
      checks.push_back(check("apps", "error",
                             fmt::format("{} serves nothing: {}", app->config().name, app->note()),
                             fmt::format("moultctl status {}", app->config().name)));
    }
  }
  if (const std::string note = daemon.config_note(); !note.empty())
    checks.push_back(
        check("watching", "warning", note, "raise fs.inotify.max_user_instances and max_user_watches"));
  if (!daemon.config_errors().empty()) {
    checks.push_back(check("config", "error",
                           count_of(daemon.config_errors().size(), "error") + " in the files on disk",
                           "moultctl config check"));
  }
  return checks;
}

}  // namespace moult
