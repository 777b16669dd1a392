#pragma once

#include "control/method.h"
#include "ipc/uv/loop.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace moult {

// The answer to a request whose operation takes time: whatever comes first, the operation's end or
// the deadline, answers it. Ends without an answer when its client goes, at the daemon's end too.
// Shared by the operation and the timers; lives until both have let go.
class Pending {
 public:
  static std::shared_ptr<Pending> make(uv::Loop& loop, control::Reply reply, Milliseconds deadline,
                                       std::string what);

  // Harmless when it was answered before.
  void ok(const control::Json& result);
  void fail(const Error& error);
  void fail(const Error& error, const control::Json& more);
  bool is_open() const { return reply_.has_value(); }
  Seconds elapsed() const { return Steady::now() - began_; }

  // Asks `is_done` now and every 20 ms until it says true (having answered) or the deadline comes.
  static void poll(const std::shared_ptr<Pending>& pending, std::function<bool(Pending&)> is_done);

  Pending(uv::Loop& loop, control::Reply reply);

 private:
  // Takes the reply, if there is one left, and makes the timers let go of this object.
  std::optional<control::Reply> finish();

  std::optional<control::Reply> reply_;
  SteadyTime began_;
  uv::Timer deadline_;
  uv::Timer poll_;
};

// The parameter `timeout` in seconds, or the default.
Milliseconds timeout_of(const control::Json& params, Seconds otherwise);

}  // namespace moult
