#pragma once

#include "interp/calls/thread_calls.h"
#include "interp/channel/batch_lane.h"
#include "interp/channel/worker_lane.h"
#include "ipc/base/clock.h"

#include <cstdint>
#include <string_view>

namespace moult {

// The lanes of a worker: its own, and the one that it shares with the others of its interpreter.
struct WorkerLanes {
  WorkerLane& own;
  BatchLane& batch;
};

// The answers that wait in the batch leave; the GIL is given up only when the lane is full.
void flush(const py::Attached& py, BatchLane& batch);

// The call that a worker serves now, as its lanes know it. One per worker, used again for each
// call, on the worker's thread only (or another thread of the app that reads or writes for it,
// which then holds the GIL). An answer that is one frame, or was gathered in one, joins the batch; any other
// call has all its frames on the worker's own lane. Sends try without waiting first and give the GIL up only
// when the lane is full.
class ServedCall {
 public:
  // `scope`: of the thread that serves it.
  ServedCall(const WorkerLanes& lanes, CallScope& scope)
      : lane_(lanes.own), batch_(lanes.batch), scope_(scope) {}

  void begin(const lane::RequestHead& head);
  std::uint64_t number() const { return number_; }
  std::uint8_t flags() const { return flags_; }
  bool is_head() const { return is_head_; }
  // The client has gone, or the daemon itself: stop producing.
  bool gone() const { return gone_; }
  void set_gone() { gone_ = true; }
  // It is served by another interpreter: its answer is not to begin.
  bool is_moved() const { return scope_.moved; }
  void begin_answer() { scope_.answered = true; }
  // Ends it without an answer.
  bool fail(const py::Attached& py, std::string_view traceback);

  // One frame. Small pieces of an answer leave within a millisecond, and with its end. False: the lane is
  // closed, and gone() from now on.
  bool send(const py::Attached& py, std::string_view prefix, std::string_view data, int attached_fd = -1);
  // Takes what has come meanwhile, without waiting: an `abort`, or late body frames. Looks once in a
  // millisecond.
  void look_for_abort();
  // Waits for the next packet of this call with the GIL released; empty when there comes none.
  std::string_view wait_for_packet(const py::Attached& py, std::span<char> buffer);

 private:
  bool send_whole(const py::Attached& py, std::string_view prefix, std::string_view data);
  bool gather(const py::Attached& py, std::string_view prefix, std::string_view data, bool ends);
  bool send_gathered(const py::Attached& py);
  bool note(lane::Sent sent);

  WorkerLane& lane_;
  BatchLane& batch_;
  CallScope& scope_;
  std::uint64_t number_ = 0;
  std::uint8_t flags_ = 0;
  bool is_head_ = false;
  bool gone_ = false;
  bool is_whole_ = false;  // no frame has gone to the worker's own lane
  SteadyTime looked_{};
};

}  // namespace moult
