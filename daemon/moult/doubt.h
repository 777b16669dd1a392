#pragma once

#include "ipc/base/clock.h"

#include <string>

namespace moult {

// Changes that come while a generation is being made, and whether it still is what the disk holds. An
// attempt that a change has overtaken is spoiled, and made again. An app that writes something new during
// each load would so never be served: after `kPatience` spoiled attempts in a row one passes all the same,
// and the next ones begin ever later, until there is a load without a change. Pure; owned by Moulting.
class Doubt {
 public:
  static constexpr int kPatience = 3;

  void begin_attempt() { seen_ = judged_ = 0; }
  void on_change(std::string path);
  bool is_open() const { return seen_ > judged_; }
  bool may_pass() const { return spoiled_ >= kPatience; }
  int changes() const { return seen_; }

  // The first `changes` of the attempt are found to have changed nothing; in passing, all of them.
  void judge(int changes) { judged_ = changes; }
  void judge_all() { judged_ = seen_; }
  // A change has overtaken the attempt. True once in a row: people should be told that it goes on.
  bool spoil(SteadyTime now);
  void on_load_without_change() { spoiled_ = 0; }

  int spoiled() const { return spoiled_; }
  const std::string& last_change() const { return last_change_; }  // its path
  SteadyTime not_before() const { return not_before_; }            // the next attempt for a change

  static constexpr Milliseconds kLongestPause{60'000};

 private:
  int seen_ = 0;
  int judged_ = 0;
  int spoiled_ = 0;  // in a row
  std::string last_change_;
  SteadyTime not_before_{};
};

}  // namespace moult
