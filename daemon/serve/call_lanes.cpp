#include "daemon/serve/call_lanes.h"

#include <sys/socket.h>
#include <algorithm>

namespace moult {

namespace {

// A host may send any descriptor; a file, for one, cannot be waited for.
bool is_lane(const Fd& fd) {
  int domain = 0;
  int type = 0;
  socklen_t size = sizeof domain;
  return ::getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
         ::getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

}  // namespace

CallLanes::CallLanes(uv::Loop& loop, Log& log, const CallDirectory& apps, CallNumbers& numbers)
    : shared_{loop, log, apps, numbers},
      burial_(loop, [this] { std::erase_if(lanes_, [](const auto& lane) { return lane->is_closed(); }); }) {
  shared_.on_closed = [this](CallLane&) { burial_.request(); };
}

void CallLanes::add(int host, Fd lane) {
  if (!is_lane(lane)) {
    shared_.log.error("a host sent a caller lane that is none", {{"host", host}});
    return;
  }
  const auto open =
      static_cast<std::size_t>(std::count_if(lanes_.begin(), lanes_.end(), [&](const auto& one) {
        return one->host() == host && !one->is_closed();
      }));
  if (open >= kPerHost) {
    shared_.log.warning("a host made too many caller lanes", {{"host", host}});
    return;
  }
  lanes_.push_back(std::make_unique<CallLane>(shared_, host, std::move(lane)));
}

// Its end closes them too, unless a child of it lives on that has inherited them.
void CallLanes::on_host_ended(int host) {
  for (const auto& lane : lanes_) {
    if (lane->host() == host) lane->close();
  }
}

std::size_t CallLanes::open() const {
  return static_cast<std::size_t>(
      std::count_if(lanes_.begin(), lanes_.end(), [](const auto& lane) { return !lane->is_closed(); }));
}

}  // namespace moult
