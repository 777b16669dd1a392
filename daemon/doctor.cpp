#include "daemon/doctor.h"

#include "daemon/daemon.h"
#include "ipc/base/count_of.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <cerrno>
#include <filesystem>

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
  if (!daemon.config_errors().empty()) {
    checks.push_back(check("config", "error",
                           count_of(daemon.config_errors().size(), "error") + " in the files on disk",
                           "moultctl config check"));
  }
  return checks;
}

}  // namespace moult
