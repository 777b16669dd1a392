#pragma once

#include "interp/threads/turns.h"
#include "ipc/base/clock.h"
#include "ipc/host_events.h"

#include <atomic>
#include <functional>
#include <optional>
#include <string>

namespace moult {

// Whether the GIL that the interpreters of this process share still goes round. While somebody wants it a
// thread of its own takes it every quarter of a second; when it waits for two seconds the daemon is told,
// with who has it, and once more when it got it. One per process, made by main. Home::look_for_stall() sees
// to the interpreters that have a GIL each.
class Heartbeat {
 public:
  static constexpr Milliseconds kStalled{2'000};  // without the GIL

  class Owner {
   public:
    virtual ~Owner() = default;
    // On the watcher's thread, without Python.
    virtual StalledEvent find_holder() = 0;  // as far as it can be known
    virtual void tell_stalled(const StalledEvent& event) = 0;
    virtual void tell_revived(Seconds after) = 0;
  };

  Heartbeat(Turns& turns, Owner& owner) : turns_(turns), owner_(owner) {}

  // Starts the thread that takes the GIL, which lives as long as the process.
  Result<> start();
  // Waits for the GIL right now?
  bool is_waiting() const { return asked_.load() != 0; }
  // By the watcher, some times a second.
  void look();

 private:
  [[noreturn]] void beat();

  Turns& turns_;
  Owner& owner_;
  std::atomic<Steady::rep> asked_ = 0;  // since when it waits; 0: it does not
  Steady::rep told_ = 0;                // the wait that the daemon knows of; on the watcher's thread
};

}  // namespace moult
