#include "daemon/serve/dispatcher.h"

#include <utility>

namespace moult {

Dispatcher::~Dispatcher() { set_intake(Intake::stopped); }

void Dispatcher::set_active(Generation* generation) {
  active_ = generation;
  if (on_active_) on_active_(generation);
  if (generation != nullptr) moved_.move_before(queue_);
  hand_out_queued();
}

void Dispatcher::set_intake(Intake intake) {
  intake_ = intake;
  if (intake == Intake::open) return;
  while (!queue_.empty()) refuse(*queue_.first(), CallFailure::app_stopped);
  while (!moved_.empty()) refuse(*moved_.first(), CallFailure::app_stopped);
}

void Dispatcher::set_prospect(SteadyTime soonest, std::string why) {
  prospect_ = soonest;
  why_not_ = std::move(why);
  for (CallQueue* queue : {&queue_, &moved_}) {
    for (Call* call = queue->first(); call != nullptr;) {
      const bool hopeless = is_hopeless(*call);
      if (hopeless) refuse(*call, CallFailure::app_unavailable);
      call = hopeless ? queue->first() : call->next;  // a refusal may change the queue
    }
  }
}

void Dispatcher::submit(Call& call) {
  call.target = this;
  call.flight = nullptr;
  call.head_seen = call.retried = call.paused = call.body_sent = false;
  call.generation = call.moved_by = 0;
  call.submitted = Steady::now();
  if (!swept_) {
    swept_ = true;
    if (on_busy_) on_busy_();
  }
  if (intake_ == Intake::stopped) {
    refuse(call, CallFailure::app_stopped);
    return;
  }
  const std::size_t size = call.head_size != 0 ? call.head_size : lane::request_size(call.head, call.headers);
  if (size + call.body.size() > lane::kRequestMax) {
    refuse(call, CallFailure::too_large);
    return;
  }
  if (call.deadline <= call.submitted) {
    refuse(call, CallFailure::call_timeout);
    return;
  }
  // Who came first is served first: with calls waiting a new one waits too.
  if (queue_.empty() && hand_out(call)) return;
  if (is_hopeless(call)) {
    refuse(call, CallFailure::app_unavailable);
    return;
  }
  if (queued() >= limits_.queue) {
    refuse(call, CallFailure::queue_full);
    return;
  }
  queue_.push_back(call);
}

bool Dispatcher::hand_out(Call& call) {
  if (active_ == nullptr) return false;
  call.generation = active_->number();
  return active_->start(call, most_in_hosts());
}

void Dispatcher::hand_out_queued() {
  while (!queue_.empty()) {
    Call& call = *queue_.first();
    CallQueue::remove(call);
    if (hand_out(call)) continue;
    queue_.push_front(call);
    return;
  }
}

void Dispatcher::on_flight_ended(const Flight& flight) {
  const SteadyTime now = Steady::now();
  stats_.on_call_done(now, now - flight.started());
  if (flight.failed) ++stats_.errors;
}

void Dispatcher::on_room() { hand_out_queued(); }

void Dispatcher::send_again(Call& call, CallQueue& queue) {
  call.target = this;
  call.submitted = Steady::now();  // the time that it ran was no time in the queue
  queue.push_front(call);
}

void Dispatcher::on_call_lost(Call& call) {
  if (limits_.retry_safe && call.safe_to_retry && !call.head_seen && !call.retried &&
      intake_ == Intake::open) {
    call.retried = true;
    ++stats_.retried;
    send_again(call, queue_);
    hand_out_queued();
    return;
  }
  ++stats_.lost;
  call.client->on_failure(call, CallFailure::host_lost, {});
}

void Dispatcher::on_call_moved(Call& call) {
  const bool can_wait = !call.tied && !call.body_sent && call.moved_by != call.generation &&
                        intake_ == Intake::open && queued() < limits_.queue;
  if (!can_wait) {
    call.client->on_failure(call, CallFailure::app_moving, {});
    return;
  }
  const bool by_active = active_ != nullptr && active_->number() == call.generation;
  call.moved_by = call.generation;
  send_again(call, by_active ? moved_ : queue_);
  hand_out_queued();
}

void Dispatcher::on_call_returned(Call& call) {
  if (intake_ == Intake::stopped) {
    refuse(call, CallFailure::app_stopped);
    return;
  }
  call.target = this;
  queue_.push_front(call);
}

void Dispatcher::give_back_moved() {
  moved_.move_before(queue_);
  hand_out_queued();
}

void Dispatcher::cancel(Call& call) {
  if (call.flight != nullptr) {
    call.flight->abort();
  } else if (call.target != nullptr) {
    CallQueue::remove(call);
    call.target = nullptr;
  }
}

void Dispatcher::send_body(Call& call, std::string_view piece, End end, bool broken) {
  if (call.flight == nullptr) return;
  call.body_sent = true;
  call.flight->send_body(piece, end, broken);
}

void Dispatcher::pause(Call& call) {
  call.paused = true;
  if (call.flight != nullptr) call.flight->pause();
}

void Dispatcher::resume(Call& call) {
  call.paused = false;
  if (call.flight != nullptr) call.flight->resume();
}

// Not always in the order of time: one that is sent again comes first. A refusal may change the queue.
void Dispatcher::sweep(CallQueue& queue, SteadyTime now) {
  for (Call* call = queue.first(); call != nullptr;) {
    const bool given_up = call->deadline <= now;
    const bool late = given_up || now - call->submitted > limits_.queue_timeout;
    if (given_up) {
      refuse(*call, CallFailure::call_timeout);
    } else if (late) {
      refuse(*call, active_ == nullptr ? CallFailure::app_unavailable : CallFailure::queue_timeout);
    }
    call = late ? queue.first() : call->next;
  }
}

bool Dispatcher::is_busy() const { return queued() > 0 || (active_ != nullptr && active_->in_flight() > 0); }

bool Dispatcher::sweep(SteadyTime now) {
  sweep(queue_, now);
  sweep(moved_, now);
  if (active_ != nullptr) {
    active_->look_after_calls(now);
    const Generation::Overdue overdue =
        active_->interrupt_calls(now, overdue_if_before(now, limits_.call_timeout));
    stats_.timeouts += static_cast<std::uint64_t>(overdue.interrupted);
  }
  // A client that was told so may have had the app changed.
  return swept_ = is_busy();
}

void Dispatcher::refuse(Call& call, CallFailure failure) {
  CallQueue::remove(call);
  call.target = nullptr;
  ++stats_.refused;
  if (failure == CallFailure::queue_full) ++stats_.queue_full;
  if (failure == CallFailure::queue_timeout) ++stats_.queue_late;
  const std::string why = failure == CallFailure::app_unavailable ? why_not_ : std::string();
  call.client->on_failure(call, failure, why);
}

}  // namespace moult
