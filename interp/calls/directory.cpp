#include "interp/calls/directory.h"

namespace moult {

void Directory::set(const std::string& app, std::vector<std::shared_ptr<Entrance>> entrances) {
  for (const auto& entrance : entrances) entrance->calls.open();
  std::unique_ptr<Route> route;
  if (!entrances.empty()) {
    route = std::make_unique<Route>();
    route->entrances = std::move(entrances);
  }
  const std::unique_lock lock(mutex_);
  if (route) {
    routes_[app].swap(route);
  } else {
    routes_.erase(app);
  }
}

std::shared_ptr<Entrance> Directory::find(std::string_view app) const {
  const std::shared_lock lock(mutex_);
  const auto found = routes_.find(app);
  if (found == routes_.end()) return nullptr;
  const Route& route = *found->second;
  if (route.entrances.size() == 1) return route.entrances.front();
  return route.entrances[route.turn.fetch_add(1, std::memory_order_relaxed) % route.entrances.size()];
}

}  // namespace moult
