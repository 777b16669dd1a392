#pragma once

#include "control/client.h"

#include <sys/types.h>
#include <map>
#include <string>
#include <vector>

namespace moult::control {

// What decides where a client looks for its daemon; passed in, so that tests need no real home.
struct Surroundings {
  std::map<std::string, std::string> environment;
  uid_t uid = 0;
  std::string home;  // of the passwd entry when HOME is not set: cron and CGI may not have it
  std::string hostname;
};
Surroundings surroundings_of_this_process();

// Where a daemon may be, best first; never empty unless there is no home. `asked` (-s) or
// $MOULT_SOCKET alone when given.
std::vector<std::string> socket_candidates(const Surroundings& surroundings, const std::string& asked);

// The first candidate where a daemon of this uid answers. ErrorCode::unreachable with all that was
// tried in `detail`; ErrorCode::denied when one is there that we may not use.
Result<Client> find_daemon(const std::vector<std::string>& candidates, uid_t uid);

}  // namespace moult::control
