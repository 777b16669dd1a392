#pragma once

#include "daemon/serve/call_lane.h"

#include <cstddef>
#include <memory>
#include <vector>

namespace moult {

// All caller lanes of the daemon. One, owned by the Daemon; loop thread only. Destroyed before the apps
// that its calls go to.
class CallLanes {
 public:
  // A host may have so many open at a time; a further one is closed at once.
  static constexpr std::size_t kPerHost = 256;

  CallLanes(uv::Loop& loop, Log& log, const CallDirectory& apps, CallNumbers& numbers);
  CallLanes(const CallLanes&) = delete;
  CallLanes& operator=(const CallLanes&) = delete;

  void add(int host, Fd lane);
  void on_host_ended(int host);
  std::size_t open() const;

 private:
  CallLaneShared shared_;
  std::vector<std::unique_ptr<CallLane>> lanes_;
  uv::BeforeWait burial_;
};

}  // namespace moult
