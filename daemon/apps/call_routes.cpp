#include "daemon/apps/call_routes.h"

#include <map>
#include <utility>
#include <vector>

namespace moult {

void CallRoutes::follow(const Generation* active) {
  std::map<int, std::pair<Host*, std::vector<std::uint64_t>>> now;
  if (active != nullptr) {
    for (const auto& interpreter : active->interpreters()) {
      Host* host = interpreter->host();
      if (host == nullptr || !interpreter->can_be_entered()) continue;
      auto& [its_host, interps] = now[host->number()];
      its_host = host;
      interps.push_back(interpreter->number());
    }
  }
  const std::set<int> before = std::exchange(told_, {});
  for (const auto& [number, route] : now) {
    route.first->route(app_, route.second);
    told_.insert(number);
  }
  for (const int number : before) {
    if (told_.count(number) > 0) continue;
    if (Host* host = find_(number); host != nullptr) host->route(app_, {});
  }
}

}  // namespace moult
