#include "daemon/daemon.h"

#include <unistd.h>
#include <algorithm>
#include <chrono>

namespace moult {

// The end of the daemon, in three parts.
//   draining: everything is served as ever, new requests too, until the calls that were in flight at the
//             beginning are over. Each has the drain_timeout of its app; what outlives it gets a 504. A
//             stream of events (SSE) holds nobody up: it is ended after that.
//   closing:  listeners close with their backlogs answered. What came meanwhile has the rest of its app's
//             drain_timeout, a second at least.
//   ending:   apps run their hooks and end, then the hosts.

namespace {

constexpr Milliseconds kPoll{20};
constexpr Milliseconds kLeast{1'000};    // for a call that came during the drain
constexpr Milliseconds kAnswers{1'000};  // beyond it, for the last bytes of answers
constexpr Milliseconds kCut{100};        // for all of it when there is no time
constexpr Milliseconds kEnd{15'000};
constexpr Milliseconds kHurriedEnd{1'000};

}  // namespace

void Daemon::shut_down(std::optional<Milliseconds> deadline) {
  if (phase_ == Phase::ending) {
    log_.warning("stopping at once");
    supervisor_->hosts().kill_all();
    return;
  }
  const bool again = phase_ != Phase::running;
  stopping_.drain = again ? Milliseconds(0) : deadline;
  log_.info(again ? "stopping at once" : "stopping: calls in flight end first");
  bridge_->event("daemon.stopping", "", {{"pid", static_cast<std::int64_t>(::getpid())}});
  if (again) return close_listeners();
  phase_ = Phase::draining;
  stopping_.began = Steady::now();
  config_watch_.reset();
  http_->announce_end();
  stop_poll_.start_repeating(kPoll, [this] { go_on_stopping(); });
}

void Daemon::go_on_stopping() {
  const int left = supervisor_->end_calls(stopping_, Steady::now());
  if (phase_ == Phase::draining && left == 0) close_listeners();
  if (phase_ == Phase::closing) supervisor_->end_streams();
}

void Daemon::close_listeners() {
  const SteadyTime now = Steady::now();
  phase_ = Phase::closing;
  Milliseconds wait = kCut;
  if (!stopping_.is_at_once()) {
    stopping_.least_until = now + kLeast;
    SteadyTime last = stopping_.least_until;
    for (const AppConfig& app : config_.apps) last = std::max(last, stopping_.deadline(app.drain_timeout));
    wait = std::chrono::ceil<Milliseconds>(last - now) + kAnswers;
  }
  supervisor_->end_calls(stopping_, now);
  supervisor_->end_streams();
  http_->stop(wait, [this] { end_apps(); });
}

void Daemon::end_apps() {
  stop_poll_.stop();
  phase_ = Phase::ending;
  supervisor_->shut_down(stopping_.is_at_once() ? kHurriedEnd : kEnd, [this] {
    events_->end_streams();
    log_.info("stopped");
    loop_.stop();
  });
}

}  // namespace moult
