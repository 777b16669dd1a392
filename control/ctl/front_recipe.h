#pragma once

#include "ipc/base/result.h"

#include <string>
#include <vector>

namespace moult::ctl {

// The settings that a front server needs to bring requests to this daemon.
struct FrontRecipe {
  std::string address;  // of the daemon, that they name: "fcgi:unix:/home/ann/run/fcgi.sock"
  std::string text;
};

// `front`: "apache", "htaccess", "lighttpd" or "nginx". `listening`: the daemon's addresses, as `status` has
// them. ErrorCode::failed with what to add to moult.toml, when that front server can speak to none of them.
Result<FrontRecipe> front_recipe(const std::string& front, const std::vector<std::string>& listening);

}  // namespace moult::ctl
