#pragma once

#include "ipc/base/clock.h"
#include "ipc/base/fd.h"
#include "ipc/base/result.h"
#include "ipc/uv/background.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

// Owners of libuv's handles. Only ipc/uv/*.cpp and handle.h include <uv.h>. Everything here belongs
// to the thread that runs the loop. The callbacks are kept in the handle's block, so an owner may be
// destroyed from inside its own callback, as that callback's last act.

struct uv_loop_s;

namespace moult::uv {

// The event loop of a process. Built first, destroyed last: the destructor runs the close callbacks
// and aborts when a handle is still open.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();   // until stop(), or until no handle is active
  void stop();  // from a callback: run() returns after this round

  // The time of this round, cheap (no system call); SteadyTime is CLOCK_MONOTONIC like uv_now.
  SteadyTime now() const;

  uv_loop_s* raw() { return loop_.get(); }
  Background& background() { return *background_; }

 private:
  std::unique_ptr<uv_loop_s> loop_;
  std::unique_ptr<Background> background_;
};

// A timer. start() while it runs sets it anew.
class Timer {
 public:
  explicit Timer(Loop& loop);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(Milliseconds delay, std::function<void()> on_time);
  void start_repeating(Milliseconds period, std::function<void()> on_time);
  void stop();
  bool is_active() const;

 private:
  struct Block;
  Block* block_;
};

// An action before the loop waits: when all that was ready has been dealt with. Asked for by
// request(), done once for it; what such an action requests, of itself or of another, is done before the loop
// waits.
class BeforeWait {
 public:
  BeforeWait(Loop& loop, std::function<void()> action);
  ~BeforeWait();
  BeforeWait(const BeforeWait&) = delete;
  BeforeWait& operator=(const BeforeWait&) = delete;

  void request();

 private:
  struct Block;
  Block* block_;
  struct Spinner;
  Spinner* spinner_;  // keeps the loop from waiting
};

// An action in the loop's next round, which comes without waiting: what is ready by then is dealt with before
// the actions of BeforeWait. Asked for by request(), done once for it.
class NextRound {
 public:
  NextRound(Loop& loop, std::function<void()> action);
  ~NextRound();
  NextRound(const NextRound&) = delete;
  NextRound& operator=(const NextRound&) = delete;

  void request();

 private:
  struct Block;
  Block* block_;
};

// Readiness of a descriptor that somebody else owns and that must outlive this object. Level
// triggered. kDisconnect is the peer's half-close (EPOLLRDHUP); `kError` is POLLERR, after which
// libuv has stopped the handle.
class Poll {
 public:
  static constexpr int kReadable = 1;
  static constexpr int kWritable = 2;
  static constexpr int kDisconnect = 4;
  static constexpr int kPriority = 8;
  static constexpr int kError = 1 << 16;

  using Callback = std::function<void(int events)>;

  Poll(Loop& loop, int fd, Callback on_ready);
  ~Poll();
  Poll(const Poll&) = delete;
  Poll& operator=(const Poll&) = delete;

  void set(int events);  // what to wait for; 0 stops. No system call when it is what it was.

 private:
  struct Block;
  Block* block_;
  int events_ = 0;
};

// A signal of this process, delivered on the loop.
class Signal {
 public:
  Signal(Loop& loop, int number, std::function<void()> on_signal);
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

 private:
  struct Block;
  Block* block_;
};

// Wakes the loop from any thread; several wake() calls may give one callback.
class Async {
 public:
  Async(Loop& loop, std::function<void()> on_wake);
  ~Async();
  Async(const Async&) = delete;
  Async& operator=(const Async&) = delete;

  void wake();  // any thread

 private:
  struct Block;
  Block* block_;
};

struct ExitStatus {
  int code = 0;
  int signal = 0;  // 0: it exited with `code`
};

// What a child process is started with. `fds` become descriptors 0, 1, 2, … of the child; -1 gives
// /dev/null. All other descriptors are close-on-exec.
struct SpawnSpec {
  std::vector<std::string> arguments;    // [0] is the program, looked up in PATH when without '/'
  std::vector<std::string> environment;  // "NAME=value", the whole environment
  std::string folder;                    // empty: ours
  std::vector<int> fds;
  bool own_session = false;  // setsid: signals of a terminal do not reach it
};

// A child process. Closing a uv_process_t stops libuv from reaping the child, so an owner that is
// destroyed while the child lives kills it (SIGKILL) and leaves the block to itself until the exit
// was seen.
class Process {
 public:
  static Result<std::unique_ptr<Process>> spawn(Loop& loop, const SpawnSpec& spec,
                                                std::function<void(ExitStatus)> on_exit);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  int pid() const;
  bool is_running() const;
  void kill(int signal);  // nothing when it has ended

 private:
  struct Block;
  explicit Process(Block* block) : block_(block) {}
  Block* block_;
};

// Runs `work` on a thread and `on_done` on the loop afterwards, exactly once, also when the loop is
// stopping. `work` must own what it uses. Jobs of one `errand` may run side by side as far as its kind
// allows (background.cpp); of one app's trees and of one state file only one does.
void run_in_background(Loop& loop, Errand errand, std::function<void()> work, std::function<void()> on_done);

// run_in_background for a function that returns a value. The value moves to `on_done`.
template <typename Value>
void compute_in_background(Loop& loop, Errand errand, std::function<Value()> work,
                           std::function<void(Value)> on_done) {
  auto result = std::make_shared<std::unique_ptr<Value>>();  // shared by the two lambdas in turn
  run_in_background(
      loop, std::move(errand),
      [result, work = std::move(work)] { *result = std::make_unique<Value>(work()); },
      [result, on_done = std::move(on_done)] { on_done(std::move(**result)); });
}

}  // namespace moult::uv
