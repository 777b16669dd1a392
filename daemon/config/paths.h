#pragma once

#include "ipc/base/result.h"

#include <map>
#include <string>

namespace moult {

// What the places of Moult's files depend on. A value: main takes it once from the process, tests
// make their own.
struct Surroundings {
  std::map<std::string, std::string> environment;
  std::string home;  // $HOME, else passwd's
  unsigned uid = 0;
  std::string hostname;

  // "" when the variable is unset.
  std::string variable(const std::string& name) const;
};

Surroundings current_surroundings();

// $XDG_CONFIG_HOME/moult or ~/.config/moult.
std::string config_folder(const Surroundings& from);
// $XDG_STATE_HOME/moult or ~/.local/state/moult: snapshots (apps/NAME), logs.
std::string state_folder(const Surroundings& from);
// $XDG_CACHE_HOME/moult or ~/.cache/moult: compiled code, which may be deleted at any time.
std::string cache_folder(const Surroundings& from);

// The sockets of the daemon, all in one folder that is the user's alone.
struct SocketPaths {
  std::string folder;
  std::string control;  // control.sock
  std::string status;   // status.sock: reads only
  // The folder is Moult's own and make_private_folder is for it. False with $MOULT_SOCKET: its folder
  // may be the user's home, whose mode is none of our business.
  bool own_folder = true;
};

// $MOULT_SOCKET (names the control socket; "x.sock" puts the status socket at "x-status.sock"); else
// $XDG_RUNTIME_DIR/moult/ when `systemd --user` started us; else ~/.moult/run/HOSTNAME/ (design.md
// section 8). A path that is relative or too long for a socket is an error.
Result<SocketPaths> socket_paths(const Surroundings& from);

// The lock of one daemon per uid, machine and config folder. It depends on nothing else, so that a
// daemon started by cron and one by systemd meet at the same file; and it is not in the folder of the
// sockets, which people remove to tidy up.
std::string lock_path(const Surroundings& from, const std::string& config_folder);

// sockaddr_un holds 107 bytes and the final NUL (unix(7)).
Result<> check_socket_path(const std::string& path);

// Makes the folder (0700) and those above it. One that is there must belong to `uid` and is set to
// 0700. Blocks.
Result<> make_private_folder(const std::string& path, unsigned uid);

// "~", "~/x" -> the home folder; a relative path -> below `folder`; "." and ".." and double slashes
// are taken out as text, symlinks stay.
Result<std::string> absolute_path(std::string_view path, const std::string& folder, const std::string& home);

}  // namespace moult
