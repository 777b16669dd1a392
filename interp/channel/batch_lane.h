#pragma once

#include "ipc/base/clock.h"
#include "ipc/base/fd.h"
#include "ipc/batch.h"
#include "ipc/lane_board.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace moult {

// The host's end of an interpreter's batch lane (ipc/batch.h), which its workers share. One of them, the
// listener, sleeps on it and serves what came with the GIL kept; the answers leave together. Two things keep
// a slow call from holding up the others: when calls have blocked lately (hot), the listener makes another
// worker the listener before it begins a call, and a watcher does so when it has been in one call for a
// millisecond. Knows no Python; it lives as long as its workers.
//
// Workers come on demand: one at first, another when a call is to begin and nobody waits for it. One that
// nobody needed for `idle` leaves, but for the listener.
class BatchLane {
 public:
  // `on_need` asks for another worker, once for each; called by workers and by the watcher, must not wait.
  BatchLane(Fd lane, LaneBoard board, Steady::duration idle, std::function<void()> on_need);

  // By a worker that has come, before anything else. Or it cannot come: nobody is asked for before `again`.
  void arrive();
  void cannot_come(SteadyTime again);

  // By workers, numbered from 0, without the GIL: until there are calls in the queue for it. False: it is to
  // leave, since the daemon has closed the lane, or since it was not needed.
  bool wait(std::size_t me);
  // By one that holds the GIL: the next call of the queue, begun from here on. The frame is a slice of
  // `buffer` until that is given again. Nothing: the queue is empty, or the lane is closed.
  using Buffer = std::unique_ptr<char[]>;
  std::optional<std::string_view> claim(std::size_t me, Buffer& buffer, SteadyTime now);
  // How long a call took, and whether its thread slept in it. Sets the credit and whether calls are hot.
  void call_ended(Steady::duration took, bool slept, SteadyTime now);
  bool is_hot(SteadyTime now) const { return now < hot_until_.load(std::memory_order_relaxed); }

  // An answer of one frame, of at most kAnswerMax bytes, which leaves with the next flush(). False: there is
  // no room before that.
  static constexpr std::size_t kAnswerMax = lane::kBatchMax - 1024;
  bool add(std::string_view prefix, std::string_view data);
  // Sends all answers that wait; `spare` is the caller's and takes them meanwhile. With Wait::no they may
  // stay in it: finish() sends those.
  lane::Sent flush(lane::Batch& spare, lane::Wait wait);
  lane::Sent finish(lane::Batch& spare);

  // From any thread without the GIL: what nobody has begun goes back to the daemon.
  void give_back();
  // Each millisecond while calls are served. False: there is no need until the next claim.
  bool tick();
  // The call that has waited longest; 0: none.
  std::uint64_t first();
  // As if the daemon had closed it.
  void close();
  int descriptor() const { return lane_.get(); }

 private:
  void take_in(const lane::Received& received);
  void pass_turn_on();
  std::uint32_t credit() const;

  Fd lane_;
  LaneBoard board_;
  const Steady::duration idle_time_;
  const std::function<void()> on_need_;

  std::mutex mutex_;  // taken with or without the GIL; nothing waits inside
  Buffer queue_;      // the packet that the frames lie in
  lane::BatchWalk frames_;
  std::uint64_t claimed_ = 0;
  bool closed_ = false;
  std::optional<std::size_t> listener_;
  bool serving_ = false;           // the listener is in a call
  std::vector<std::size_t> idle_;  // who waits, the one that was busy last at the end
  std::vector<std::condition_variable> turn_;
  std::size_t present_ = 0;  // workers
  bool is_awaited_ = false;  // another one was asked for
  SteadyTime not_before_{};

  std::mutex out_mutex_;
  lane::Batch out_;
  lane::Batch watchers_;  // the watcher's and the commander's spare
  std::mutex watchers_mutex_;

  std::atomic<std::uint64_t> claims_ = 0;
  std::uint64_t seen_ = 0;  // on the watcher's thread
  std::atomic<Steady::rep> average_;
  std::atomic<SteadyTime> hot_until_{SteadyTime::min()};
};

}  // namespace moult
