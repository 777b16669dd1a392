#pragma once

#include "interp/calls/entrance.h"

#include <atomic>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// Which interpreters of this host the calls of an app enter now: the daemon says so with `route`
// each time another generation serves. One per process, made by main; any thread.
class Directory {
 public:
  // None: such calls go by way of the daemon.
  void set(const std::string& app, std::vector<std::shared_ptr<Entrance>> entrances);

  // One of them, in turn; null when the app does not serve from this host.
  std::shared_ptr<Entrance> find(std::string_view app) const;

 private:
  struct Route {
    std::vector<std::shared_ptr<Entrance>> entrances;
    mutable std::atomic<std::uint32_t> turn = 0;
  };

  mutable std::shared_mutex mutex_;
  std::map<std::string, std::unique_ptr<Route>, std::less<>> routes_;
};

}  // namespace moult
