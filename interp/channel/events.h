#pragma once

#include "interp/threads/forked.h"
#include "ipc/base/fd.h"
#include "ipc/host_events.h"

#include <mutex>
#include <string>

namespace moult {

// The host's end of the command channel, as far as it speaks: tell() may block while the daemon is busy, so
// no caller has a GIL. One per process, built by main; used by every thread. When the daemon is gone the
// packets are dropped: the commander notices.
class Events {
 public:
  explicit Events(int channel) : channel_(channel) {}
  virtual ~Events() = default;
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  int channel() const { return channel_; }
  void hold_over_forks() { forked::hold(mutex_); }

  virtual void tell(const HostEvent& event);
  void hand_over(const HostEvent& event, const Fd& descriptor);  // which goes with it

 private:
  void send(std::string packet, int descriptor = -1);

  int channel_;
  std::mutex mutex_;
};

}  // namespace moult
