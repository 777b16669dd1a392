#pragma once

#include "ipc/base/clock.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace moult::http {

// How fast a client is while it is waited for, in one direction and for one message: only that time
// counts, and what moved lately, so that a fast beginning does not pay for a stop later. Two per
// connection; a value, without a clock.
class Pace {
 public:
  void reset() { *this = {}; }
  void wait(SteadyTime now) {
    if (!since_) since_ = now;
  }
  void stop(SteadyTime now) {
    pass(now);
    since_.reset();
  }
  void moved(std::uint64_t bytes) {
    short_.current.bytes += static_cast<double>(bytes);
    long_.current.bytes += static_cast<double>(bytes);
  }
  bool is_waiting() const { return since_.has_value(); }

  // Bytes a second in the last five to ten seconds that it was waited for.
  double rate(SteadyTime now) {
    pass(now);
    return short_.rate();
  }
  // It was waited for longer than `patience` in all, and that rate is below `least`; or the one of the last
  // 30 to 60 seconds.
  bool is_slow(SteadyTime now, Seconds patience, double least) {
    pass(now);
    return waited_ > patience && short_.rate() < least;
  }
  bool is_below(SteadyTime now, Seconds patience, double least) {
    pass(now);
    return waited_ > patience && long_.rate() < least;
  }

 private:
  struct Stretch {
    Seconds time{};
    double bytes = 0;
  };
  struct Window {
    Seconds length;
    Stretch current{};
    Stretch last{};
    void pass(Seconds time) {
      current.time += time;
      if (current.time < length) return;
      last = current;
      current = {};
    }
    double rate() const {
      return (last.bytes + current.bytes) / std::max((last.time + current.time).count(), 0.001);
    }
  };

  void pass(SteadyTime now) {
    if (!since_ || now <= *since_) return;
    const Seconds time(now - *since_);
    since_ = now;
    waited_ += time;
    short_.pass(time);
    long_.pass(time);
  }

  Seconds waited_{};
  std::optional<SteadyTime> since_;
  Window short_{Seconds(5)};
  Window long_{Seconds(30)};
};

}  // namespace moult::http
