#include "control/ctl/checks.h"

#include "control/ctl/human.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace moult::ctl {

namespace {

constexpr std::uint64_t kMiB = 1u << 20;

Json check(const char* name, const char* status, std::string text, std::string hint = "") {
  return Json{{"name", name}, {"status", status}, {"text", std::move(text)}, {"hint", std::move(hint)}};
}

}  // namespace

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

Json check_inotify(const std::optional<InotifyFacts>& facts) {
  if (!facts)
    return check("inotify", "warning", "its limits cannot be read", "apps are polled where it does not work");
  const std::string text = fmt::format("{} watches, {} of {} instances in use by this user",
                                       facts->watches_limit, facts->instances_used, facts->instances_limit);
  if (facts->watches_limit < 8192) {
    return check("inotify", "warning", text, "large trees will be polled: raise fs.inotify.max_user_watches");
  }
  if (facts->instances_used + 4 > facts->instances_limit) {
    return check("inotify", "warning", text,
                 "further apps will be polled: raise fs.inotify.max_user_instances");
  }
  return check("inotify", "ok", text);
}

Json check_disk(const std::optional<DiskFacts>& facts) {
  if (!facts) return check("state folder", "error", "it cannot be read", "set HOME or XDG_STATE_HOME");
  if (!facts->writable)
    return check("state folder", "error", facts->folder + " cannot be written", "mend its mode");
  const std::string text =
      fmt::format("{}: {} free", facts->folder, human_bytes(static_cast<double>(facts->free_bytes)));
  if (facts->free_bytes < 16 * kMiB || facts->free_inodes < 100) {
    return check("state folder", "error", text, "snapshots and logs need room: free some");
  }
  if (facts->free_bytes < 256 * kMiB)
    return check("state folder", "warning", text, "snapshots and logs need room");
  return check("state folder", "ok", text);
}

Json check_modules(const std::vector<std::string>& modules) {
  if (modules.empty()) {
    return check("host modules", "error", "none is found beside moultctl",
                 "build Moult with the headers of your Python (python3-dev), or mend the installation");
  }
  return check("host modules", "ok", fmt::format("{}", fmt::join(modules, ", ")));
}

Json check_socket(const SocketFacts& facts) {
  if (!facts.ours) {
    return check("socket", "error", facts.path + " belongs to another user",
                 "name a socket of your own with MOULT_SOCKET; theirs may be in use");
  }
  const std::string text =
      fmt::format("{} (mode {:04o}, folder {:04o})", facts.path, facts.mode, facts.folder_mode);
  if ((facts.mode & 077) != 0) return check("socket", "warning", text, "others may connect: chmod 600 it");
  if ((facts.folder_mode & 022) != 0) {
    return check("socket", "warning", text, "others may write to its folder: chmod 700 it");
  }
  return check("socket", "ok", text);
}

}  // namespace moult::ctl
