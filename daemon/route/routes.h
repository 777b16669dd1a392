#pragma once

#include "daemon/serve/call.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// What a route leads to: an app as the front end sees it. Owned by supervise; outlives its routes.
struct RouteTarget {
  CallTarget* calls = nullptr;
  std::string app;
  std::uint64_t max_body = 0;
  int slow_max = 2;  // workers that clients may hold who are slow to send or to read
  bool debug = false;
  std::map<std::string, std::string> static_files;  // URL prefix below the mount -> folder
};

// The routes of one listener: host name and longest path prefix -> target. A value, replaced whole.
class Routes {
 public:
  struct Match {
    RouteTarget* target = nullptr;  // null: no route (404)
    std::string_view prefix;        // the mount prefix, a slice of the route
  };

  void add(std::string host, std::string prefix, RouteTarget* target);
  void remove(const RouteTarget& target);
  // `host` lower case without port; `path` percent-decoded. A prefix matches whole segments: "/shop"
  // takes "/shop" and "/shop/x", not "/shopping". A named host wins over any host.
  Match find(std::string_view host, std::string_view path) const;

 private:
  struct Entry {
    std::string host;
    std::string prefix;
    RouteTarget* target;
  };
  std::vector<Entry> entries_;  // named hosts first, then longest prefix first
};

}  // namespace moult
