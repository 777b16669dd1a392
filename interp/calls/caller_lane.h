#pragma once

#include "interp/calls/call_fault.h"
#include "interp/calls/patience.h"
#include "interp/calls/thread_calls.h"
#include "interp/channel/events.h"
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
  int process = 0;  // that made it: the lanes of a process are not those of its children
  std::uint64_t last_call = 0;
  Patience patience;
  std::unique_ptr<char[]> buffer = std::make_unique_for_overwrite<char[]>(lane::kPacketMax);
};

// The caller lanes of one interpreter, made when they are needed and used again. Owned by its
// Natives; any thread of the interpreter.
class CallerLanes {
 public:
  static constexpr std::size_t kLanesMax = 64;
  static constexpr std::size_t kIdleMax = 8;  // the rest of a burst is closed again

  CallerLanes(Events& events, InterpNumber interp) : events_(events), interp_(interp) {}

  // Waits for one while kLanesMax are in use, without a GIL. Null: the deadline came first, or the
  // process has no descriptors left: `problem` says so, and to wait longer is of no use.
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

// One call by a caller lane, from its request to its last byte. It gives its lane back at the end.
// What can be reached from several threads (a stream) is used under a Hold; cancel() may come from
// any thread.
class FarCall {
 public:
  // The call is one thread's for the length of a scope: it waits there with the GIL released, and
  // what it has read lies in the call's own memory. False: it is another's, or this one's already.
  class Hold {
   public:
    explicit Hold(FarCall& far) : far_(far.held_.exchange(true) ? nullptr : &far) {}
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    explicit operator bool() const { return far_ != nullptr; }

   private:
    FarCall* far_;
  };

  FarCall(CallerLanes& lanes, std::size_t answer_max) : lanes_(lanes), answer_max_(answer_max) {}
  ~FarCall();
  FarCall(const FarCall&) = delete;
  FarCall& operator=(const FarCall&) = delete;

  // Sends the request and waits for the head of the answer, detached meanwhile. Nothing: it came,
  // and reason() says what it is. A fault of reason "interrupted" or "cancelled" has no text; with
  // "pending" an exception is, which another thread or a signal raised.
  std::optional<CallFault> begin(const py::Attached& py, const ThreadCalls& calls, const FarRequest& request);
  const std::string& reason() const { return reason_; }
  SteadyTime deadline() const { return deadline_; }

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
  // Whoever holds it gives it up soon.
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  // Both, whoever holds it.
  void close();

 private:
  std::optional<CallFault> take_lane(const py::Attached& py, const ThreadCalls& calls);
  std::optional<CallFault> look_around(const py::Attached& py, const ThreadCalls& calls) const;
  std::optional<CallFault> receive(const py::Attached& py, const ThreadCalls& calls,
                                   std::string_view& packet);
  void wait_for_packet(const py::Attached& py, SteadyTime spin_until) const;
  std::optional<CallFault> send_piece(std::string_view& rest);
  std::optional<CallFault> read_more(const py::Attached& py, const ThreadCalls& calls);
  void finish();

  CallerLanes& lanes_;
  const std::size_t answer_max_;
  std::unique_ptr<CallerLane> lane_;
  std::atomic<bool> cancelled_ = false;
  std::atomic<bool> held_ = false;
  SteadyTime deadline_ = SteadyTime::max();
  std::string reason_;
  std::string collected_;
  std::size_t taken_ = 0;  // of collected_, by items of a stream
  bool ended_ = false;     // the last byte has come
};

}  // namespace moult
