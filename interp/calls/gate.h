#pragma once

#include "ipc/base/clock.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace moult {

// Counts those who are inside something that may go away, and lets nobody in once it is closed.
// Entering and leaving take one atomic step each. Any thread; it begins closed.
class Gate {
 public:
  // False: closed, and the caller is not inside.
  bool enter() {
    if ((state_.fetch_add(1, std::memory_order_acquire) & kClosed) == 0) return true;
    leave();
    return false;
  }
  void leave() {
    if (state_.fetch_sub(1, std::memory_order_release) == kClosed + 1) tell_empty();
  }

  void open() { state_.fetch_and(~kClosed, std::memory_order_acq_rel); }
  void close() { state_.fetch_or(kClosed, std::memory_order_acq_rel); }
  bool is_closed() const { return (state_.load(std::memory_order_acquire) & kClosed) != 0; }
  std::uint32_t inside() const { return state_.load(std::memory_order_acquire) & ~kClosed; }

  // Waits until a closed gate has nobody inside. False: the deadline came first.
  bool wait_until_empty(SteadyTime deadline);

 private:
  static constexpr std::uint32_t kClosed = 1U << 31;
  void tell_empty();

  std::atomic<std::uint32_t> state_ = kClosed;
  std::mutex mutex_;
  std::condition_variable emptied_;
};

// Is inside a gate for the length of a scope, or was not let in.
class Inside {
 public:
  explicit Inside(Gate& gate) : gate_(gate.enter() ? &gate : nullptr) {}
  ~Inside() {
    if (gate_ != nullptr) gate_->leave();
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  explicit operator bool() const { return gate_ != nullptr; }

 private:
  Gate* gate_;
};

}  // namespace moult
