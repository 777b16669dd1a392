#pragma once

#include "interp/calls/call_fault.h"
#include "interp/calls/thread_calls.h"
#include "interp/events.h"
#include "ipc/lane.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace moult {

// The app's end of a lane that it calls others by: one call at a time, the daemon answers
// (ipc/PROTOCOL.md, "Calls of functions").
struct CallerLane {
  Fd fd;
  std::uint64_t last_call = 0;
  std::unique_ptr<char[]> buffer = std::make_unique_for_overwrite<char[]>(lane::kPacketMax);
};

// The caller lanes of one interpreter, made when they are needed and used again. Owned by its
// Natives; any thread of the interpreter.
class CallerLanes {
 public:
  static constexpr std::size_t kLanesMax = 64;

  CallerLanes(Events& events, InterpNumber interp) : events_(events), interp_(interp) {}

  // Waits for one while kLanesMax are in use, without a GIL. Null: the deadline came first, or the
  // process has no descriptors left (`problem` says so).
  std::unique_ptr<CallerLane> take(SteadyTime deadline, std::string& problem);
  // null: it was lost, and another may be made.
  void give_back(std::unique_ptr<CallerLane> lane);

 private:
  Events& events_;
  const InterpNumber interp_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<CallerLane>> idle_;
  std::size_t in_use_ = 0;
};

// What a call by a lane asks for.
struct FarRequest {
  std::string_view app;
  std::string_view function;
  std::string_view caller_app;
  std::string caller_call{};
  std::string_view arguments;  // a flat payload
  SteadyTime deadline = SteadyTime::max();
  int depth = 0;
};

// One call by a caller lane, from its request to its last byte. One thread at a time; cancel() may
// come from any. It gives its lane back at the end.
class FarCall {
 public:
  FarCall(CallerLanes& lanes, std::size_t answer_max) : lanes_(lanes), answer_max_(answer_max) {}
  ~FarCall();
  FarCall(const FarCall&) = delete;
  FarCall& operator=(const FarCall&) = delete;

  // Sends the request and waits for the head of the answer, detached meanwhile. Nothing: it came,
  // and reason() says what it is. A fault of reason "interrupted" or "cancelled" has no text.
  std::optional<CallFault> begin(const py::Attached& py, const ThreadCalls& calls, const FarRequest& request);
  const std::string& reason() const { return reason_; }

  // The rest of an answer that is no stream.
  std::optional<CallFault> read_all(const py::Attached& py, const ThreadCalls& calls, std::string_view& body);
  // The next item of a stream; `ended` when there is none.
  struct Item {
    char kind = 'v';
    std::string_view bytes;
    bool ended = false;
  };
  std::optional<CallFault> next_item(const py::Attached& py, const ThreadCalls& calls, Item& item);

  // Gives the call up: the other side is told.
  void abort();
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool is_over() const { return lane_ == nullptr; }

 private:
  std::optional<CallFault> receive(const py::Attached& py, const ThreadCalls& calls,
                                   std::string_view& packet);
  std::optional<CallFault> send_piece(std::string_view& rest);
  std::optional<CallFault> read_more(const py::Attached& py, const ThreadCalls& calls);
  void finish();

  CallerLanes& lanes_;
  const std::size_t answer_max_;
  std::unique_ptr<CallerLane> lane_;
  std::atomic<bool> cancelled_ = false;
  SteadyTime deadline_ = SteadyTime::max();
  std::string reason_;
  std::string collected_;
  std::size_t taken_ = 0;  // of collected_, by items of a stream
  bool ended_ = false;     // the last byte has come
};

}  // namespace moult
