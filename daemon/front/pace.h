#pragma once

#include "ipc/base/clock.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace moult::http {

// How fast a client is while it is waited for, in one direction and for one message: the time that it
// was waited for in all, and the bytes that moved. One or two per connection; a value, without a clock.
class Pace {
 public:
  void reset() { *this = {}; }
  void wait(SteadyTime now) {
    if (!since_) since_ = now;
  }
  void stop(SteadyTime now) {
    waited_ = time(now);
    since_.reset();
  }
  void moved(std::uint64_t bytes) { bytes_ += bytes; }

  bool is_waiting() const { return since_.has_value(); }
  Seconds time(SteadyTime now) const { return since_ ? waited_ + Seconds(now - *since_) : waited_; }
  // Bytes a second.
  double rate(SteadyTime now) const {
    return static_cast<double>(bytes_) / std::max(time(now).count(), 0.001);
  }
  // Waited for longer than `patience` and below `least` bytes a second.
  bool is_below(SteadyTime now, Seconds patience, double least) const {
    return time(now) > patience && rate(now) < least;
  }

 private:
  Seconds waited_{};
  std::optional<SteadyTime> since_;
  std::uint64_t bytes_ = 0;
};

}  // namespace moult::http
