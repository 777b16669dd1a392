#pragma once

#include "interp/py/python.h"
#include "ipc/base/clock.h"
#include "ipc/base/result.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace moult {

// Makes interpreters that share a GIL take turns on Python 3.11 and 3.12. There a thread that waits
// for the GIL asks for it in its own interpreter only (take_gil() in ceval_gil.h sets the request of
// the waiter's interpreter; 3.13 asks the holder): code that computes in one interpreter would keep
// all others of the process waiting until it blocks. So a watcher looks, while calls run, whether the
// process computes and nobody's call has begun meanwhile, and then has each home thread take the GIL
// once: the one in the busy interpreter is heard. On every version the watcher looks as well, now and
// then, whether the GIL still goes round (Heartbeat). One per process, made by main.
class Turns {
 public:
  // `poke` asks every home for a turn, `look` has the heartbeat looked at; called on the watcher's thread,
  // without Python.
  Turns(std::function<void()> poke, std::function<void()> look)
      : poke_(std::move(poke)), look_(std::move(look)) {}

  // Starts the watcher, which lives as long as the process.
  Result<> start();

  // For its length a thread that is no worker wants the GIL, as in a call.
  class Wanted {
   public:
    explicit Wanted(Turns& turns) : turns_(turns) { turns_.call_begins(); }
    ~Wanted() { turns_.call_ends(); }
    Wanted(const Wanted&) = delete;
    Wanted& operator=(const Wanted&) = delete;

   private:
    Turns& turns_;
  };

  // By workers, around each call.
  void call_begins() {
    if (kNeeded) begun_.fetch_add(1, std::memory_order_relaxed);
    turn_begins();
  }
  // By homes that were poked, around the wait for the GIL: another interpreter may compute by then, and
  // the watcher must not sleep before it was their turn. It is no progress of a call.
  void turn_begins() {
    if (running_.fetch_add(1) == 0 && asleep_.load() > 0) wake();
  }
  void turn_ends() { call_ends(); }
  void call_ends() { running_.fetch_sub(1); }

  // Blocks until somebody wants the GIL.
  void wait_until_wanted();

 private:
  static constexpr bool kNeeded = PY_VERSION_HEX < 0x030D0000;

  void watch();
  void wake();

  std::function<void()> poke_;
  std::function<void()> look_;
  std::atomic<int> running_ = 0;
  std::atomic<std::uint64_t> begun_ = 0;
  std::atomic<int> asleep_ = 0;  // threads that wait until it is wanted
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace moult
