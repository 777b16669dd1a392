#pragma once

#include "ipc/base/clock.h"
#include "ipc/base/fd.h"
#include "ipc/lane.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace moult {

class Call;

// Why the daemon answers a call itself. The front end turns it into a page.
enum class CallFailure {
  queue_full,       // 503 + Retry-After
  queue_timeout,    // 503 + Retry-After
  app_stopped,      // 503 + Retry-After
  app_unavailable,  // 503 + Retry-After: no generation serves (first start failed, host restarting)
  app_moving,       // 503 + Retry-After: it needs a process of its own, and this call cannot be sent again
  app_error,        // 500: the app raised before it sent a head; `detail` is the traceback
  host_lost,        // 502: the host died under it
  call_timeout,     // 504: call_timeout or the end of a drain
  too_large,        // 431: its head does not fit a lane
};

// Where the answer of one call goes; implemented by a front end (or by the warm-up). Every function
// is called on the loop. After a call with End::yes, on_failure or cancel() nothing more comes.
enum class End { no, yes };

class CallClient {
 public:
  virtual ~CallClient() = default;
  // The head, at most once; `body` is its first piece. Views are valid during the call only.
  virtual void on_head(Call& call, const lane::Head& head, std::string_view body, End end) = 0;
  virtual void on_chunk(Call& call, std::string_view data, End end) = 0;
  // A region of a regular file; the client reads it at its own pace. The worker is free already
  // when `end` is yes.
  virtual void on_file(Call& call, Fd file, std::uint64_t offset, std::uint64_t length, End end) = 0;
  // The app wants the next piece of the request's body: answer with Call::send_body, now or later.
  virtual void on_want_body(Call& call) = 0;
  // The daemon gave the call up. After on_head the connection must be cut, not answered.
  virtual void on_failure(Call& call, CallFailure failure, std::string_view detail) = 0;
};

// Carries a call from the router's decision to its end: the queue of an app, then a worker.
// Implemented by supervise; a front end only submits and cancels.
class CallTarget {
 public:
  virtual ~CallTarget() = default;
  // Starts or queues the call. May answer through call.client before it returns. The Call, its head,
  // headers and inline body stay as they are until its end or its hand-over to a worker.
  virtual void submit(Call& call) = 0;
  // The client has gone: nothing more is told to it. The worker is told to stop the iteration.
  virtual void cancel(Call& call) = 0;
  // A piece of a streamed request body, after on_want_body.
  virtual void send_body(Call& call, std::string_view piece, End end, bool broken) = 0;
  // Back-pressure of the response: while paused nothing is read from the worker's lane.
  virtual void pause(Call& call) = 0;
  virtual void resume(Call& call) = 0;
  // Calls wait because all workers are taken: slow clients are then not to hold too many.
  virtual bool is_crowded() const { return false; }
};

class Flight;     // serve/flight.h
class CallQueue;  // serve/call_queue.h

// Numbers the calls of a daemon, so that no two on one lane can be taken for each other. One per
// daemon, shared by all who make calls; loop thread only.
class CallNumbers {
 public:
  std::uint64_t next() { return ++last_; }

 private:
  std::uint64_t last_ = 0;
};

// One call in flight. A front end embeds one per connection and uses it again and again; it fills
// the first block, the second belongs to supervise.
class Call {
 public:
  CallClient* client = nullptr;
  lane::RequestHead head;
  std::span<const lane::Header> headers;
  std::string_view body;       // the whole body, unless head.flags has kBodyStreams
  std::size_t head_size = 0;   // lane::request_size() of it; 0: the dispatcher reckons it
  bool safe_to_retry = false;  // GET, HEAD, OPTIONS without a streamed body
  bool tied = false;           // to one generation, as a hook is: no other can serve it
  // Past it the client gets CallFailure::call_timeout, and the worker is interrupted.
  SteadyTime deadline = SteadyTime::max();

  // Supervise's own, from submit() to the end.
  CallTarget* target = nullptr;  // null: not in flight
  Flight* flight = nullptr;      // null: queued
  CallQueue* queue = nullptr;    // where it waits
  Call* previous = nullptr;      // in that
  Call* next = nullptr;
  SteadyTime submitted{};
  SteadyTime started{};
  std::uint64_t generation = 0;  // that serves it, or did; 0: none yet
  bool head_seen = false;
  bool retried = false;
  bool body_sent = false;      // a part of a streamed body
  std::uint64_t moved_by = 0;  // the generation that could not serve it; 0: none
  bool paused = false;
};

}  // namespace moult
