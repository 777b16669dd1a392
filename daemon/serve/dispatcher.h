#pragma once

#include "daemon/serve/call.h"
#include "daemon/serve/call_queue.h"
#include "daemon/serve/generation.h"
#include "daemon/serve/stats.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>

namespace moult {

// What bounds an app's calls. From its config.
struct CallLimits {
  int queue = 100;
  Milliseconds queue_timeout{30'000};
  Milliseconds call_timeout{0};  // 0: none
  bool retry_safe = false;
};

// Calls that began no later than this are overdue; the beginning of time where there is no limit.
inline SteadyTime overdue_if_before(SteadyTime now, Milliseconds call_timeout) {
  return call_timeout.count() > 0 ? now - call_timeout : SteadyTime::min();
}

// The calls of one app: gives each to an idle worker of the active generation or queues it, in
// order. Calls that wait belong to no generation: they follow the switch and survive a host. Owned
// by the App; loop thread only.
class Dispatcher final : public CallTarget {
 public:
  explicit Dispatcher(CallStats& stats) : stats_(stats) {}
  ~Dispatcher() override;

  void configure(const CallLimits& limits) { limits_ = limits; }
  // Called when there is a call to watch after a time without any; then sweep() until it says false.
  void set_on_busy(std::function<void()> on_busy) { on_busy_ = std::move(on_busy); }

  // Told whenever another generation serves, before it gets a call.
  void set_on_active(std::function<void(Generation*)> on_active) { on_active_ = std::move(on_active); }

  // Where calls go from now on; queued ones are handed out at once. Null: nowhere, they wait for what
  // set_prospect() promises.
  void set_active(Generation* generation);
  // When something may serve again while nothing does; SteadyTime::max(): nothing is under way. A call
  // that would wait in vain is answered at once with app_unavailable and `why`.
  void set_prospect(SteadyTime soonest, std::string why);
  // Stopped: every call, queued ones too, gets app_stopped.
  enum class Intake { open, stopped };
  void set_intake(Intake intake);

  // A call of any generation has ended.
  void on_flight_ended(const Flight& flight);
  void on_room();
  // A call whose worker broke: sent again where that is allowed, else host_lost.
  void on_call_lost(Call& call);
  // A call that its generation's interpreter cannot serve: it waits for another generation, or is told
  // app_moving where it cannot be sent again.
  void on_call_moved(Call& call);
  // A call that no worker had begun, the last of several first: it is the first of the queue again.
  void on_call_returned(Call& call);
  // No other generation comes: the one that could not serve them does what it can.
  void give_back_moved();

  // Answers what waited too long; interrupts what runs too long. True: there is something to watch.
  bool sweep(SteadyTime now);

  // Calls that wait, also those that the active generation has and has not begun.
  int queued() const {
    return queue_.size() + moved_.size() + (active_ != nullptr ? static_cast<int>(active_->waiting()) : 0);
  }
  Seconds oldest_wait(SteadyTime now) const {
    return queue_.empty() ? Seconds(0) : Seconds(now - queue_.first()->submitted);
  }
  Generation* active() const { return active_; }

  void submit(Call& call) override;
  void cancel(Call& call) override;
  void send_body(Call& call, std::string_view piece, End end, bool broken) override;
  void pause(Call& call) override;
  void resume(Call& call) override;
  bool is_crowded() const override { return active_ != nullptr && !queue_.empty(); }

 private:
  bool hand_out(Call& call);
  bool is_hopeless(const Call& call) const {
    return active_ == nullptr && prospect_ > call.submitted + limits_.queue_timeout;
  }
  void send_again(Call& call, CallQueue& queue);
  void hand_out_queued();
  void sweep(CallQueue& queue, SteadyTime now);
  bool is_busy() const;
  std::size_t most_in_hosts() const { return static_cast<std::size_t>(std::max(limits_.queue, 0)); }
  void refuse(Call& call, CallFailure failure);

  CallStats& stats_;
  CallLimits limits_;
  std::function<void()> on_busy_;
  std::function<void(Generation*)> on_active_;
  bool swept_ = false;
  Generation* active_ = nullptr;
  SteadyTime prospect_{};
  std::string why_not_;
  Intake intake_ = Intake::open;
  CallQueue queue_;
  CallQueue moved_;  // wait for another generation than the active one
};

}  // namespace moult
