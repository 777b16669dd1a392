#include "daemon/doctor.h"

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
#include <filesystem>
#include <string>
#include <vector>

namespace moult {

using control::Json;

namespace {

Json check(const char* name, const char* status, std::string text, std::string hint = {}) {
  return {{"name", name}, {"status", status}, {"text", std::move(text)}, {"hint", std::move(hint)}};
}

Json limit_check(const char* name, int resource, rlim_t enough, const char* hint) {
  rlimit limit{};
  ::getrlimit(resource, &limit);
  const bool unlimited = limit.rlim_cur == RLIM_INFINITY;
  const bool ok = unlimited || limit.rlim_cur >= enough;
  return check(name, ok ? "ok" : "warning", unlimited ? "no limit" : fmt::format("limit {}", limit.rlim_cur),
               ok ? "" : hint);
}

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

// Of the state folder and those of the apps, the first that cannot be written.
Json state_check(const Daemon& daemon) {
  constexpr const char* kHint = "roll-backs, pins and logs are lost: see to its disk, owner and mode";
  std::vector<std::string> folders{daemon.state_folder()};
  for (const App* app : daemon.supervisor().apps())
    folders.push_back(fmt::format("{}/apps/{}", daemon.state_folder(), app->config().name));
  for (const std::string& folder : folders) {
    if (const auto written = can_write(folder); !written)
      return check("state", "error", "cannot be written: " + written.error().message, kHint);
  }
  for (const App* app : daemon.supervisor().apps()) {
    if (const std::string& problem = app->log().problem(); !problem.empty())
      return check("state", "error",
                   fmt::format("the log of {} cannot be written: {}", app->config().name, problem), kHint);
  }
  return check("state", "ok", fmt::format("kept in {}", daemon.state_folder()));
}

}  // namespace

Json doctor_checks(const Daemon& daemon) {
  Json checks = Json::array();
  checks.push_back(limit_check("descriptors", RLIMIT_NOFILE, 1024,
                               "each connection and each worker takes one: raise ulimit -n"));
  checks.push_back(limit_check("processes", RLIMIT_NPROC, 64,
                               "threads count too: raise ulimit -u, or use fewer threads per app"));
  std::size_t modules = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(daemon.module_folder(), ignored)) {
    modules += entry.path().filename().string().starts_with("_moult_host.") ? 1 : 0;
  }
  checks.push_back(
      modules > 0 ? check("python", "ok",
                          fmt::format("{} in {}", count_of(modules, "host module"), daemon.module_folder()))
                  : check("python", "error", fmt::format("no host module in {}", daemon.module_folder()),
                          "build with the headers of a Python from 3.11 on"));
  struct statvfs disk {};
  if (::statvfs(daemon.state_folder().c_str(), &disk) == 0) {
    const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
    const bool ok = free > (256u << 20);
    checks.push_back(check("disk", ok ? "ok" : "warning",
                           fmt::format("{} MiB free for {}", free >> 20, daemon.state_folder()),
                           ok ? "" : "snapshots and logs are kept there"));
  }
  checks.push_back(state_check(daemon));
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
