#pragma once

#include "daemon/serve/call.h"
#include "ipc/base/fd.h"
#include "ipc/uv/loop.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace moult {

// Buffers that all lanes of the daemon use in turn; nothing in them outlives a callback.
struct LaneBuffers {
  std::vector<char> in = std::vector<char>(lane::kPacketMax);
  std::vector<char> out = std::vector<char>(lane::kPacketMax);
};

// The daemon's end of one lane: carries one call at a time to a worker thread and its answer back.
// Owned by its Interpreter; loop thread only. Ends when its lane is closed from either side.
class Worker {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // The worker is idle again. May be called from inside start().
    virtual void on_worker_idle(Worker& worker) = 0;
    // The other end is closed. A call in flight is still attached: the owner decides its fate.
    virtual void on_worker_closed(Worker& worker) = 0;
    // Its interpreter cannot serve this call, which belongs to nobody now.
    virtual void on_call_moved(Call& call) = 0;
  };

  enum class State {
    idle,
    serving,  // a call is attached, or was until its client went
    stuck,    // given up: its thread does not come back; the lane is closed
    closed,
  };

  Worker(uv::Loop& loop, LaneBuffers& buffers, Owner& owner, int index, Fd lane);

  // Sends the request. False: the lane is of no use (on_worker_closed follows later), or the call does
  // not fit a packet, which the dispatcher looks at before; the call is untouched.
  bool start(Call& call);
  void send_body(std::string_view piece, End end, bool broken);
  // The client has gone: detaches the call and asks the thread to stop.
  void abort();
  // An answer that the app means never to end (text/event-stream): its end is that of the daemon, and
  // its client comes again by itself. Ends it whole.
  bool is_event_stream() const { return call_ != nullptr && is_event_stream_; }
  void end_event_stream();
  // Takes the call away without telling the thread (it was answered by the daemon).
  Call* detach();
  void pause();
  void resume();
  void close(State final_state = State::closed);

  State state() const { return state_; }
  bool is_idle() const { return state_ == State::idle; }
  Call* call() const { return call_; }
  std::uint64_t call_id() const { return call_id_; }
  int index() const { return index_; }
  SteadyTime started() const { return started_; }
  // What it serves, also when its client has gone: "GET /cart", a function's name; who calls it.
  bool serves_function() const { return serves_function_; }
  const std::string& what() const { return what_; }
  const std::string& caller() const { return caller_; }
  Owner& owner() const { return owner_; }

  // Kept by whoever watches deadlines: when the thread was last interrupted, and how often.
  SteadyTime interrupted_at{};
  int interrupts = 0;
  bool failed = false;     // the last call was answered with a status of 500 or above
  SteadyTime broken_at{};  // when the other end was found closed
  // Its caller waits until then: past it the call is interrupted. Set with each call; sooner when the
  // caller of a function goes.
  SteadyTime wanted_until = SteadyTime::max();

 private:
  void on_ready(int events);
  // False: stop reading for now.
  bool on_packet(lane::Received& received);
  void lose(Call& call, std::string_view why);  // what answers it makes no sense
  void finish();
  void note(const Call& call);

  LaneBuffers& buffers_;
  Owner& owner_;
  int index_;
  State state_ = State::idle;
  Fd lane_;
  std::unique_ptr<uv::Poll> poll_;
  Call* call_ = nullptr;
  std::uint64_t call_id_ = 0;
  SteadyTime started_{};
  bool serves_function_ = false;
  bool is_event_stream_ = false;
  std::string what_;
  std::string caller_;
};

}  // namespace moult
