#include "daemon/serve/generation.h"

namespace moult {

namespace {

bool is_waited_for(const Flight& flight, SteadyTime begun_by) {
  return flight.call() != nullptr && !flight.is_event_stream() && flight.started() <= begun_by;
}

}  // namespace

int Generation::calls_begun_by(SteadyTime time) const {
  int calls = 0;
  for (const auto& interpreter : interpreters_) {
    for (Flight* const flight : interpreter->flights()) calls += is_waited_for(*flight, time) ? 1 : 0;
  }
  return calls;
}

int Generation::end_calls_begun_by(SteadyTime time, SteadyTime now) {
  for (const auto& interpreter : interpreters_) {
    for (Flight* const flight : interpreter->flights()) {
      if (is_waited_for(*flight, time)) flight->wanted_until = now;
    }
  }
  return interrupt_calls(now, SteadyTime::min()).interrupted;
}

void Generation::end_streams() {
  for (const auto& interpreter : interpreters_) {
    for (Flight* const flight : interpreter->flights()) flight->end_event_stream();
  }
}

}  // namespace moult
