#pragma once

#include "ipc/base/clock.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace moult {

// So many things a second, and as many at once as two seconds allow; what is beyond is counted. Pure: whoever
// owns it says what time it is.
class Allowance {
 public:
  explicit Allowance(double per_second) : per_second_(per_second), left_(2 * per_second) {}

  bool take(SteadyTime now);
  std::uint64_t take_dropped() { return std::exchange(dropped_, 0); }
  bool has_dropped() const { return dropped_ > 0; }

 private:
  double per_second_;
  double left_;
  SteadyTime last_{};
  std::uint64_t dropped_ = 0;
};

// Makes lines of what a process writes, whatever pieces it comes in: long ones are split, those beyond the
// allowance are dropped and counted. Pure.
class OutputLines {
 public:
  static constexpr std::size_t kLineMax = 4096;
  static constexpr double kLinesPerSecond = 1000;
  using Sink = std::function<void(std::string_view line)>;

  void feed(std::string_view bytes, SteadyTime now, const Sink& sink);
  void end(SteadyTime now, const Sink& sink);  // a line without an end is one, too
  std::uint64_t take_dropped() { return allowance_.take_dropped(); }
  bool has_dropped() const { return allowance_.has_dropped(); }

 private:
  std::string line_;
  Allowance allowance_{kLinesPerSecond};
};

}  // namespace moult
