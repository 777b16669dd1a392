#pragma once

#include "daemon/serve/call.h"

namespace moult {

// Calls that wait, in order, linked through themselves: nothing is allocated. A call is in one queue at
// most. Owned by a Dispatcher; loop thread only.
class CallQueue {
 public:
  CallQueue() = default;
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  Call* first() const { return first_; }
  bool empty() const { return first_ == nullptr; }
  int size() const { return size_; }

  void push_back(Call& call) { insert(call, last_, nullptr); }
  void push_front(Call& call) { insert(call, nullptr, first_); }
  // From whichever queue it is in.
  static void remove(Call& call) {
    CallQueue* const queue = call.queue;
    if (queue == nullptr) return;
    (call.previous != nullptr ? call.previous->next : queue->first_) = call.next;
    (call.next != nullptr ? call.next->previous : queue->last_) = call.previous;
    call.previous = call.next = nullptr;
    call.queue = nullptr;
    --queue->size_;
  }
  // All of them, in their order, before those of `other`.
  void move_before(CallQueue& other) {
    while (last_ != nullptr) {
      Call& call = *last_;
      remove(call);
      other.push_front(call);
    }
  }

 private:
  void insert(Call& call, Call* previous, Call* next) {
    call.previous = previous;
    call.next = next;
    call.queue = this;
    (previous != nullptr ? previous->next : first_) = &call;
    (next != nullptr ? next->previous : last_) = &call;
    ++size_;
  }

  Call* first_ = nullptr;
  Call* last_ = nullptr;
  int size_ = 0;
};

}  // namespace moult
