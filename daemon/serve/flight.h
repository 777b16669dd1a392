#pragma once

#include "daemon/serve/call.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace moult {

class Lanes;

// A call in flight: one that an interpreter was given, until its worker has ended it, also when its client
// has gone before. Owned by the Lanes that carry it; loop thread only.
class Flight {
 public:
  explicit Flight(Lanes& lanes) : lanes_(lanes) {}
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;

  void begin(Call& call, std::uint64_t order);

  // The client has gone: detaches the call and asks the worker to stop.
  void abort();
  void send_body(std::string_view piece, End end, bool broken);
  void pause();
  void resume();
  // Takes the call away without telling the worker (it was answered by the daemon).
  Call* detach();
  // An answer that the app means never to end (text/event-stream): its end is that of the daemon, and
  // its client comes again by itself. Ends it whole.
  bool is_event_stream() const { return call_ != nullptr && is_event_stream_; }
  void end_event_stream();

  Call* call() const { return call_; }
  std::uint64_t call_id() const { return call_id_; }
  SteadyTime started() const { return started_; }
  // Whether a worker has begun it, and which, as far as that is known.
  bool has_begun() const;
  std::optional<std::size_t> worker() const;
  // What is served, also when its client has gone: "GET /cart", a function's name; who calls it.
  bool serves_function() const { return serves_function_; }
  const std::string& what() const { return what_; }
  const std::string& caller() const { return caller_; }

  // Kept by whoever watches deadlines: when the worker was last interrupted, and how often.
  SteadyTime interrupted_at{};
  int interrupts = 0;
  bool failed = false;  // answered with a status of 500 or above
  bool stuck = false;   // given up: its worker does not come back, as far as anybody knows
  // Its caller waits until then: past it the call is interrupted. Set with each call; sooner when the
  // caller of a function goes.
  SteadyTime wanted_until = SteadyTime::max();

 private:
  friend class Lanes;

  Lanes& lanes_;
  Call* call_ = nullptr;
  std::uint64_t call_id_ = 0;
  std::uint64_t order_ = 0;            // on the batch lane, from 1
  std::optional<std::size_t> worker_;  // on whose lane a frame of it came
  bool abort_due_ = false;             // and nobody could be told yet
  SteadyTime started_{};
  bool serves_function_ = false;
  bool is_event_stream_ = false;
  std::string what_;
  std::string caller_;
};

}  // namespace moult
