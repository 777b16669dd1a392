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
// then, whether the GIL still goes round (Heartbeat), and each millisecond whether a worker is stuck in a
// call while others wait (BatchLane::tick). One per process, made by main.
class Turns {
 public:
  // `poke` asks every home for a turn, `look` has the heartbeat looked at, `tick` comes each millisecond
  // while calls begin and while it says that there is more to do; called on the watcher's thread, without
  // Python.
  Turns(std::function<void()> poke, std::function<void()> look, std::function<bool()> tick)
      : poke_(std::move(poke)), look_(std::move(look)), tick_(std::move(tick)) {}

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

  // By workers, around the calls that they serve without giving the GIL up between them.
  void call_begins() {
    next_call();
    turn_begins();
  }
  void next_call() {
    if (kNeeded) begun_.fetch_add(1, std::memory_order_relaxed);
    stir();
  }
  // There is something for the next tick to look at.
  void stir() {
    stirred_.fetch_add(1);
    if (asleep_.load() > 0) wake();
  }
  // What the workers of one interpreter have in it.
  struct Share {
    std::atomic<int> wanting = 0;  // wait for the GIL
    std::atomic<int> running = 0;  // that, or serve
  };
  // Around that wait of a worker.
  void waits(Share& share) {
    ++share.running;
    ++share.wanting;
    wanting_.fetch_add(1);
  }
  void has_it(Share& share) {
    --share.wanting;
    wanting_.fetch_sub(1);
  }
  void leaves(Share& share) { --share.running; }
  // Whether workers of other interpreters wait for it; whether anything of others runs.
  bool others_want(const Share& share) const { return wanting_ > share.wanting; }
  bool others_run(const Share& share) const { return running_ > share.running; }
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
  void sleep(int quiet, std::uint64_t stirred);
  void wake();

  std::function<void()> poke_;
  std::function<void()> look_;
  std::function<bool()> tick_;
  std::atomic<int> running_ = 0;
  std::atomic<int> wanting_ = 0;
  std::atomic<std::uint64_t> begun_ = 0;
  std::atomic<std::uint64_t> stirred_ = 0;
  std::atomic<int> asleep_ = 0;  // threads that wait until it is wanted
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace moult
