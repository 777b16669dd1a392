#pragma once

#include "control/ctl/fields.h"
#include "ipc/base/error.h"

#include <string>
#include <vector>

namespace moult::ctl {

// How far the apps of a daemon are, from the answer to `list`. Pure.
struct Readiness {
  std::vector<std::string> starting;  // not there yet
  std::vector<std::string> failed;    // nothing serves, and waiting does not help
  std::vector<std::string> degraded;  // served, with something to say
  std::size_t served = 0;

  bool is_settled() const { return starting.empty(); }
};
Readiness readiness_of(const Json& list);

// Why an app is not as it should be, from its status page.
Error reason_from(const Json& page);

// The end of a daemon's log for people: the JSON lines as text, the last `lines` of them.
std::string readable_log(const std::string& log, std::size_t lines);

}  // namespace moult::ctl
