#pragma once

#include "daemon/serve/generation.h"

#include <functional>
#include <set>
#include <string>

namespace moult {

// What hosts have been told of where calls of one app enter, when its neighbours in the same host make
// them: always the interpreters of the generation that serves. Owned by the App; loop thread only.
class CallRoutes {
 public:
  // `find`: a host by its number, null when it has ended.
  CallRoutes(std::string app, std::function<Host*(int)> find)
      : app_(std::move(app)), find_(std::move(find)) {}

  // Null: nothing serves.
  void follow(const Generation* active);

 private:
  std::string app_;
  std::function<Host*(int)> find_;
  std::set<int> told_;  // hosts whose route leads somewhere
};

}  // namespace moult
