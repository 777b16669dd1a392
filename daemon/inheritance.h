#pragma once

#include "daemon/config/config.h"
#include "daemon/config/instance_lock.h"
#include "daemon/config/paths.h"
#include "ipc/base/fd.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace moult {

// What was open before this process began, and is gone on with instead of being made: clients that connect
// meanwhile wait in the sockets. A value, for Daemon::start.
struct Inheritance {
  std::optional<InstanceLock> lock;
  std::map<std::string, Fd> sockets;  // that listen, by address: "127.0.0.1:8000", "unix:/run/…"
  std::vector<std::string> faults;    // what was passed and is of no use, one sentence each

  // Nothing when it is not there.
  Fd take(const ListenAddress& address);
  Fd take_unix(const std::string& path);
};

// What systemd passes to a service of a socket unit (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS). Takes the
// descriptors, so call it once, before anything else is opened.
Inheritance inherit_from_systemd(const Surroundings& surroundings);

}  // namespace moult
