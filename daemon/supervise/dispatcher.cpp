#include "daemon/supervise/dispatcher.h"

namespace moult {

Dispatcher::~Dispatcher() {
  while (first_ != nullptr) refuse(*first_, CallFailure::app_stopped);
}

void Dispatcher::set_active(Generation* generation) {
  active_ = generation;
  if (on_active_) on_active_(generation);
  hand_out_queued();
}

void Dispatcher::set_intake(Intake intake) {
  intake_ = intake;
  if (intake == Intake::open) return;
  while (first_ != nullptr) refuse(*first_, CallFailure::app_stopped);
}

void Dispatcher::submit(Call& call) {
  call.target = this;
  call.worker = nullptr;
  call.head_seen = false;
  call.retried = false;
  call.paused = false;
  call.generation = 0;
  call.submitted = Steady::now();
  if (!swept_) {
    swept_ = true;
    if (on_busy_) on_busy_();
  }
  if (intake_ == Intake::stopped) {
    refuse(call, CallFailure::app_stopped);
    return;
  }
  if (call.deadline <= call.submitted) {
    refuse(call, CallFailure::call_timeout);
    return;
  }
  // Who came first is served first: with calls waiting a new one waits too.
  if (first_ == nullptr && hand_out(call)) return;
  if (queued_ >= limits_.queue) {
    refuse(call, CallFailure::queue_full);
    return;
  }
  enqueue(call, false);
}

bool Dispatcher::hand_out(Call& call) {
  if (active_ == nullptr) return false;
  for (;;) {
    const Generation::Taken taken = active_->take_idle();
    if (taken.worker == nullptr) return false;
    call.generation = active_->number();
    if (taken.worker->start(call)) return true;
    taken.interpreter->give_back_broken(*taken.worker);
  }
}

void Dispatcher::hand_out_queued() {
  while (first_ != nullptr) {
    Call& call = *first_;
    dequeue(call);
    if (hand_out(call)) continue;
    enqueue(call, true);
    return;
  }
}

void Dispatcher::on_worker_idle(Generation& generation, Interpreter&, Worker& worker) {
  const SteadyTime now = Steady::now();
  stats_.on_call_done(now, now - worker.started());
  if (worker.failed) ++stats_.errors;
  if (&generation == active_) hand_out_queued();
}

void Dispatcher::on_call_lost(Call& call) {
  if (limits_.retry_safe && call.safe_to_retry && !call.head_seen && !call.retried &&
      intake_ == Intake::open) {
    call.target = this;
    call.retried = true;
    call.submitted = Steady::now();  // the time that it ran was no time in the queue
    ++stats_.retried;
    enqueue(call, true);
    hand_out_queued();
    return;
  }
  ++stats_.lost;
  call.client->on_failure(call, CallFailure::host_lost, {});
}

void Dispatcher::cancel(Call& call) {
  if (call.worker != nullptr) {
    call.worker->abort();
  } else if (call.target != nullptr) {
    dequeue(call);
    call.target = nullptr;
  }
}

void Dispatcher::send_body(Call& call, std::string_view piece, End end, bool broken) {
  if (call.worker != nullptr) call.worker->send_body(piece, end, broken);
}

void Dispatcher::pause(Call& call) {
  call.paused = true;
  if (call.worker != nullptr) call.worker->pause();
}

void Dispatcher::resume(Call& call) {
  call.paused = false;
  if (call.worker != nullptr) call.worker->resume();
}

bool Dispatcher::sweep(SteadyTime now) {
  // Not always in the order of time: one that is sent again comes first. A refusal may change the queue.
  for (Call* call = first_; call != nullptr;) {
    const bool given_up = call->deadline <= now;
    const bool late = given_up || now - call->submitted > limits_.queue_timeout;
    if (given_up) {
      refuse(*call, CallFailure::call_timeout);
    } else if (late) {
      refuse(*call, active_ == nullptr ? CallFailure::app_unavailable : CallFailure::queue_timeout);
    }
    call = late ? first_ : call->next;
  }
  if (active_ == nullptr) return swept_ = first_ != nullptr;
  active_->drop_broken_calls(now);
  const Generation::Overdue overdue =
      active_->interrupt_calls(now, overdue_if_before(now, limits_.call_timeout));
  stats_.timeouts += static_cast<std::uint64_t>(overdue.interrupted);
  // A client that was told so may have had the app changed.
  if (active_ == nullptr) return swept_ = first_ != nullptr;
  return swept_ = first_ != nullptr || active_->in_flight() > 0;
}

void Dispatcher::enqueue(Call& call, bool in_front) {
  call.previous = in_front ? nullptr : last_;
  call.next = in_front ? first_ : nullptr;
  (call.previous != nullptr ? call.previous->next : first_) = &call;
  (call.next != nullptr ? call.next->previous : last_) = &call;
  ++queued_;
}

void Dispatcher::dequeue(Call& call) {
  (call.previous != nullptr ? call.previous->next : first_) = call.next;
  (call.next != nullptr ? call.next->previous : last_) = call.previous;
  call.previous = nullptr;
  call.next = nullptr;
  --queued_;
}

void Dispatcher::refuse(Call& call, CallFailure failure) {
  if (&call == first_ || call.previous != nullptr) dequeue(call);
  call.target = nullptr;
  ++stats_.refused;
  if (failure == CallFailure::queue_full) ++stats_.queue_full;
  if (failure == CallFailure::queue_timeout) ++stats_.queue_late;
  call.client->on_failure(call, failure, {});
}

}  // namespace moult
