#pragma once

#include "daemon/serve/generation.h"
#include "ipc/base/clock.h"

#include <functional>
#include <string>

namespace moult {

// Changes that come while a generation is being made, and whether it still is what the disk holds. When they
// have settled, a second look at the disk tells: a file that was written again with the same content, as some
// apps do while they are loaded, costs nothing then. An attempt that a change has overtaken is spoiled, and
// made again. An app that writes something new during each load would so never be served: after `kPatience`
// spoiled attempts in a row one passes all the same, and the next ones begin ever later, until there is a
// load without a change. Time is passed in; owned by Moulting.
class Doubt {
 public:
  static constexpr int kPatience = 3;
  static constexpr Milliseconds kLongestPause{60'000};

  class Owner {
   public:
    virtual ~Owner() = default;
    // Whether the disk still holds what the attempt is made of. It may never answer when something newer
    // waits to begin.
    virtual void compare_with_disk(std::function<void(bool same, SteadyTime now)> answer) = 0;
    virtual void attempt_anew(Cause cause) = 0;
    virtual void on_found_unchanged() = 0;  // the attempt may go on
    virtual void on_changes_go_on() = 0;    // told once in a row: people should know
  };

  explicit Doubt(Owner& owner) : owner_(owner) {}

  // An attempt begins, reads the disk, has read it, is over. Of one that is made of something else than the
  // disk the second and third are not told.
  void begin_attempt();
  void on_reading() { state_ = State::reading; }
  void on_read();
  void end_attempt();

  void on_change(std::string path);
  void on_settled(Cause cause, SteadyTime now);
  // The attempt could be switched to. True: not before the changes have settled.
  bool must_wait(SteadyTime now);
  // It was rejected. True: half of a change may have been missing, and what follows it will tell.
  bool excuses_rejection(SteadyTime now);
  // The changes do not matter. False: there are none.
  bool dismiss();

  bool is_overtaken() const { return state_ == State::overtaken; }  // waits for on_settled()
  int spoiled() const { return spoiled_; }
  const std::string& last_change() const { return last_change_; }  // its path
  SteadyTime not_before() const { return not_before_; }            // the next attempt for a change

 private:
  // What a change would do to the attempt: nothing, since it has read nothing yet or is none; spoil what is
  // being read; raise a doubt. Or one has come that what follows will answer.
  enum class State { none, reading, loading, overtaken };

  bool is_open() const { return seen_ > judged_; }
  void compare(Cause cause);
  void on_compared(int judged, Cause cause, bool same, SteadyTime now);
  void spoil(SteadyTime now);

  Owner& owner_;
  State state_ = State::none;
  std::uint64_t attempt_ = 0;  // counts them
  bool is_comparing_ = false;
  int seen_ = 0;  // changes
  int judged_ = 0;
  int spoiled_ = 0;  // in a row
  std::string last_change_;
  SteadyTime not_before_{};
};

}  // namespace moult
