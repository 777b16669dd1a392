#pragma once

#include "control/socket_search.h"

#include <string>
#include <vector>

namespace moult::ctl {

// Where this installation and this user's daemon keep things. Pure but for the look at the disk that
// each says.

// $XDG_STATE_HOME/moult or ~/.local/state/moult; "" without a home.
std::string state_folder(const control::Surroundings& surroundings);

// The folder of this program's own file.
std::string own_folder();

// moultd beside this program, else in PATH; "" when it is nowhere. Looks at the disk.
std::string find_moultd(const std::string& beside, const control::Surroundings& surroundings);

// The environment that a daemon is started with: ours, less what tells systemd's children who they are,
// with what a cron job lacks.
std::map<std::string, std::string> daemon_environment(const control::Surroundings& surroundings,
                                                      const std::string& socket);

}  // namespace moult::ctl
