#pragma once

#include "ipc/base/clock.h"

namespace moult::http {

class Connection;

// A place in the list of those that wait for a request or its head. In each connection.
struct WaitingPlace {
  Connection* connection = nullptr;
  SteadyTime since{};
  WaitingPlace* previous = nullptr;
  WaitingPlace* next = nullptr;
  bool listed = false;
};

// The connections that have no request under way, longest first, linked through themselves: nothing is
// allocated. One per server, loop thread.
class WaitingList {
 public:
  WaitingPlace* first() const { return first_; }
  void push_back(WaitingPlace& place, SteadyTime now) {
    remove(place);
    place.since = now;
    place.listed = true;
    place.previous = last_;
    (last_ != nullptr ? last_->next : first_) = &place;
    last_ = &place;
  }
  void remove(WaitingPlace& place) {
    if (!place.listed) return;
    (place.previous != nullptr ? place.previous->next : first_) = place.next;
    (place.next != nullptr ? place.next->previous : last_) = place.previous;
    place.previous = place.next = nullptr;
    place.listed = false;
  }

 private:
  WaitingPlace* first_ = nullptr;
  WaitingPlace* last_ = nullptr;
};

}  // namespace moult::http
