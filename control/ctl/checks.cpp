#include "control/ctl/checks.h"

#include "control/checks.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace moult::ctl {

using control::check;

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
