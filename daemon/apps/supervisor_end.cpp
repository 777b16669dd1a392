#include "daemon/apps/supervisor.h"

#include <algorithm>
#include <chrono>

namespace moult {

namespace {

constexpr Milliseconds kShutdownPoll{20};
constexpr Milliseconds kStuckEnd{2'000};

}  // namespace

SteadyTime Stopping::deadline(Milliseconds drain_timeout) const {
  return std::max(began + drain.value_or(drain_timeout), least_until);
}

int Supervisor::end_calls(const Stopping& stopping, SteadyTime now) {
  const SteadyTime begun_by =
      stopping.least_until == SteadyTime{} && !stopping.is_at_once() ? stopping.began : now;
  int left = 0;
  for (App* app : apps_that_run())
    left += app->moulting().end_calls(begun_by, stopping.deadline(app->config().drain_timeout), now);
  return left;
}

void Supervisor::end_streams() {
  for (App* app : apps_that_run()) app->moulting().end_streams();
}

// A thread that no exception has reached does not end its interpreter either: only hooks are worth
// waiting for then.
Milliseconds Supervisor::time_to_end(Milliseconds most) const {
  Milliseconds hooks = kStuckEnd;
  bool is_stuck = false;
  for (const App* app : apps_that_run()) {
    is_stuck = is_stuck || app->running() > 0;
    const Generation* active = app->moulting().active();
    if (active != nullptr && active->has_hook("retire"))
      hooks = std::max(hooks, std::chrono::ceil<Milliseconds>(app->config().retire_timeout) + kStuckEnd);
  }
  return is_stuck ? std::min(most, hooks) : most;
}

void Supervisor::shut_down(Milliseconds deadline, std::function<void()> done) {
  memory_.stop();
  deadline = time_to_end(deadline);
  auto left = std::make_shared<std::size_t>(1);
  const auto one_done = [this, left, done] {
    if (--*left > 0) return;
    hosts_.leave_all();
    wait_for_hosts(done);
  };
  for (const auto& [name, app] : apps_) {
    ++*left;
    app->stop(App::Remember::no, one_done);
  }
  one_done();
  // Draining calls must be watched also when no new ones come.
  sweep_.start_repeating(kSweepPeriod, [this] { sweep(); });
  shutdown_deadline_.start(deadline, [this, done] {
    services_.log.warning("the deadline of the shutdown has passed: hosts are killed");
    hosts_.kill_all();
    wait_for_hosts(done);
  });
}

void Supervisor::wait_for_hosts(std::function<void()> done) {
  if (hosts_.is_empty()) {
    shutdown_poll_.stop();
    shutdown_deadline_.stop();
    sweep_.stop();
    done();
    return;
  }
  shutdown_poll_.start(kShutdownPoll, [this, done = std::move(done)] { wait_for_hosts(done); });
}

}  // namespace moult
