#include "daemon/front/http/http_connection.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <algorithm>

// Clients that are slow, that have gone, or that wait for nothing.

namespace moult::http {

namespace {

// Below it, and waited for longer, a client counts as slow: when others wait, such clients hold half of
// an app's workers at most.
constexpr double kSlowRate = 16 * 1024;
constexpr Seconds kSlowAfter{2};
// Who has closed both ways looks like one who only sends no more, until something is sent to it.
constexpr Milliseconds kSilenceMax{10'000};
// Who came or was answered less than that ago is not idle.
constexpr Milliseconds kIdleLeast{1000};

}  // namespace

void HttpConnection::check_hangup() {
  if (phase_ == Phase::closed) return;
  pollfd state{socket_.get(), 0, 0};
  if (::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0) client_gone();
}

bool HttpConnection::waits_for_body() const {
  return phase_ == Phase::body || (phase_ == Phase::answering && body_pace_.is_waiting());
}

// What the client's side has taken. That the socket is writable again would tell a slow reader's progress
// too late: the kernel says so when a third of its buffer is free.
void HttpConnection::note_delivery(SteadyTime now) {
  int queued = 0;
  if (::ioctl(socket_.get(), SIOCOUTQ, &queued) != 0) return;
  const std::uint64_t written = output_.written();
  const std::uint64_t delivered = written - std::min(written, static_cast<std::uint64_t>(queued));
  if (delivered_ && delivered > *delivered_) {
    answer_pace_.moved(delivered - *delivered_);
    if (send_deadline_) send_deadline_ = now + shared_.send_timeout;
  }
  delivered_ = std::max(delivered_.value_or(0), delivered);
}

void HttpConnection::sweep(SteadyTime now) {
  if (phase_ == Phase::closed) return;
  if (answer_pace_.is_waiting()) note_delivery(now);
  const bool stands =
      (send_deadline_ && now >= *send_deadline_) ||
      (answer_pace_.is_waiting() && answer_pace_.is_below(now, shared_.send_timeout, shared_.min_rate));
  if (stands) {
    client_gone();
  } else if (waits_for_body() && body_pace_.is_below(now, shared_.body_timeout, shared_.min_rate)) {
    body_is_late();
  } else if (read_deadline_ && now >= *read_deadline_) {
    read_deadline_.reset();
    if (phase_ == Phase::body || phase_ == Phase::answering) {
      body_is_late();
    } else if (phase_ == Phase::head && parser_.started()) {
      if (!exchange_.is_open()) begin_request();
      refuse({408, "The request did not arrive in time."});
    } else {
      close();
    }
  } else if (phase_ == Phase::answering && left_at_) {
    // While something waits to be sent, it is send_timeout that judges.
    const bool silent = exchange_.has_call() && output_.is_empty() && now - *left_at_ > kSilenceMax;
    silent ? client_gone() : check_hangup();
  } else if (phase_ == Phase::head && filled_ == 0) {
    staging_ = {};  // idle: its memory is better used elsewhere
  }
  update_poll();
}

// The app has it already and waits for more, or it has not and the client is answered at once.
void HttpConnection::body_is_late() {
  const Refusal late{408, "The request did not arrive in time."};
  if (phase_ == Phase::body) {
    refuse(late);
    return;
  }
  exchange_.break_body(late);
  feed_body();
}

std::optional<Connection::Slow> HttpConnection::slowness(SteadyTime now) {
  const bool reads = phase_ == Phase::answering && answer_pace_.is_waiting();
  if (!reads && !waits_for_body()) return std::nullopt;
  Pace& pace = reads ? answer_pace_ : body_pace_;
  if (!pace.is_slow(now, kSlowAfter, kSlowRate)) return std::nullopt;
  const bool holds = exchange_.has_call() && (reads ? exchange_.is_paused() : body_pace_.is_waiting());
  return Slow{pace.rate(now), this, holds ? exchange_.calls() : nullptr, exchange_.slow_max()};
}

void HttpConnection::end_slow() {
  answer_pace_.is_waiting() ? client_gone() : body_is_late();
  update_poll();
}

void HttpConnection::close_if_idle() {
  if (phase_ != Phase::head || filled_ > 0) return;
  // A request may be in the socket already: it is answered, with Connection: close.
  char byte = 0;
  if (::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) return;
  close();
}

bool HttpConnection::make_room(SteadyTime now) {
  if (now - waiting_.since < kIdleLeast) return false;
  if (filled_ > 0) {  // a head that is slow to come
    close();
  } else {
    close_if_idle();
  }
  return phase_ == Phase::closed;
}

}  // namespace moult::http
