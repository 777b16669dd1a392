#include "daemon/serve/flight.h"

#include "daemon/serve/lanes.h"

namespace moult {

namespace {

// How much of a target is remembered for `moultctl calls`.
constexpr std::size_t kWhatMax = 200;
// A function whose caller has gone ends by itself mostly: a stream at its next item.
constexpr Milliseconds kAbortGrace{100};

}  // namespace

// The texts are copied, for the call's own may be gone before its worker has ended it.
void Flight::begin(Call& call, std::uint64_t order) {
  call_ = &call;
  call_id_ = call.head.call;
  order_ = order;
  worker_.reset();
  abort_due_ = failed = stuck = is_event_stream_ = false;
  interrupts = 0;
  started_ = Steady::now();
  wanted_until = call.deadline;
  call.flight = this;
  call.started = started_;
  serves_function_ = (call.head.flags & lane::kCall) != 0;
  caller_ = serves_function_ ? call.head.script_name : call.head.remote_addr;
  what_.clear();
  if (!serves_function_) what_.append(call.head.method).append(" ");
  what_.append(call.head.target.substr(0, kWhatMax));
}

Call* Flight::detach() {
  Call* const call = std::exchange(call_, nullptr);
  if (call == nullptr) return nullptr;
  if (call->paused) resume();
  call->paused = false;
  call->flight = nullptr;
  call->target = nullptr;
  return call;
}

void Flight::abort() {
  if (detach() == nullptr) return;
  if (serves_function_) wanted_until = std::min(wanted_until, Steady::now() + kAbortGrace);
  abort_due_ = true;
  lanes_.tell_abort(*this);
}

void Flight::end_event_stream() {
  if (!is_event_stream()) return;
  Call* const call = call_;
  abort();
  call->client->on_chunk(*call, {}, End::yes);
}

void Flight::send_body(std::string_view piece, End end, bool broken) {
  const auto flags =
      static_cast<std::uint8_t>((end == End::yes ? lane::kEnd : 0) | (broken ? lane::kBroken : 0));
  // One piece is in flight at most, since each answers a want_body: it always fits.
  lanes_.send_to_worker(*this, lane::FrameType::body, flags, piece);
}

void Flight::pause() { lanes_.listen_to(*this, false); }

void Flight::resume() { lanes_.listen_to(*this, true); }

bool Flight::has_begun() const { return order_ <= lanes_.board_.claimed(); }

std::optional<std::size_t> Flight::worker() const {
  if (worker_) return worker_;
  for (std::size_t i = 0; i < lanes_.board_.workers(); ++i) {
    if (lanes_.board_.serving(i) == call_id_) return i;
  }
  return std::nullopt;
}

}  // namespace moult
