#include "daemon/serve/generation.h"

namespace moult {

namespace {

bool is_waited_for(const Worker& worker, SteadyTime begun_by) {
  return worker.state() == Worker::State::serving && worker.call() != nullptr && !worker.is_event_stream() &&
         worker.started() <= begun_by;
}

}  // namespace

int Generation::calls_begun_by(SteadyTime time) const {
  int calls = 0;
  for (const auto& interpreter : interpreters_) {
    for (const auto& worker : interpreter->workers()) calls += is_waited_for(*worker, time) ? 1 : 0;
  }
  return calls;
}

int Generation::end_calls_begun_by(SteadyTime time, SteadyTime now) {
  for (const auto& interpreter : interpreters_) {
    for (const auto& worker : interpreter->workers()) {
      if (is_waited_for(*worker, time)) worker->wanted_until = now;
    }
  }
  return interrupt_calls(now, SteadyTime::min()).interrupted;
}

void Generation::end_streams() {
  for (const auto& interpreter : interpreters_) {
    for (const auto& worker : interpreter->workers()) worker->end_event_stream();
  }
}

}  // namespace moult
