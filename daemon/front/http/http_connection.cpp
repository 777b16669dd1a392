#include "daemon/front/http/http_connection.h"

#include <sys/socket.h>
#include <cerrno>
#include <cstring>

namespace moult::http {

namespace {

constexpr Milliseconds kLingerTime{5000};
constexpr std::uint64_t kLingerBytes = 64u << 20;

}  // namespace

HttpConnection::HttpConnection(HttpShared& shared, Fd socket, Peer peer, const Routes& routes)
    : shared_(shared),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      parser_(shared.head_limits),
      exchange_(shared, *this, peer_, routes) {
  poll_.emplace(shared_.loop, socket_.get(), [this](int events) { on_ready(events); });
  waiting_.connection = this;
  shared_.waiting.push_back(waiting_, shared_.loop.now());
  read_deadline_ = shared_.loop.now() + shared_.header_timeout;
  update_poll();
}

HttpConnection::~HttpConnection() {
  if (phase_ != Phase::closed) close();
  exchange_.cancel();
}

void HttpConnection::later() { shared_.act_later(*this); }

void HttpConnection::act() {
  if (phase_ != Phase::closed) {
    write_unsent();
    advance();
  } else {
    exchange_.cancel();
  }
}

// ---- events

void HttpConnection::on_ready(int events) {
  if ((events & uv::Poll::kError) != 0) {
    client_gone();
    return;
  }
  if ((events & uv::Poll::kWritable) != 0) on_writable();
  if ((events & uv::Poll::kReadable) != 0) {
    on_readable();
  } else if ((events & uv::Poll::kDisconnect) != 0) {
    half_closed_ = true;
    left_at_ = shared_.loop.now();
    check_hangup();
  }
  update_poll();
}

void HttpConnection::on_readable() {
  if (phase_ == Phase::closed || !has_room()) return;
  const ssize_t count = receive();
  if (count < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) client_gone();
    return;
  }
  eof_ = count == 0;
  if (eof_) left_at_ = shared_.loop.now();
  if (phase_ != Phase::head) body_pace_.moved(static_cast<std::uint64_t>(count));
  shared_.counters.bytes_in += static_cast<std::uint64_t>(count);
  switch (phase_) {
    case Phase::head: advance(); break;
    case Phase::body: eof_ ? client_gone() : collect(); break;
    case Phase::answering:
      if (eof_) check_hangup();
      if (eof_ && !body_done_) {
        exchange_.break_body({400, "The body ended too early."});
      }
      feed_body();
      break;
    case Phase::draining: eof_ ? close() : drain_body(); break;
    case Phase::lingering:
      filled_ = 0;
      lingered_ += static_cast<std::uint64_t>(count);
      if (eof_ || lingered_ > kLingerBytes) close();
      break;
    case Phase::closed: break;
  }
}

void HttpConnection::on_writable() {
  if (phase_ == Phase::closed) return;
  const std::uint64_t before = output_.written();
  const Output::State state = output_.flush(socket_.get());
  if (output_.written() != before) send_deadline_.reset();
  after_output(state);
}

bool HttpConnection::has_room() const {
  if (reads_straight()) return staging_.size() < lane::kInlineBodyMax;
  return filled_ < kInputSize;
}

void HttpConnection::update_poll() {
  if (phase_ == Phase::closed) return;
  int events = 0;
  if (!eof_ && has_room()) events |= uv::Poll::kReadable;
  if (!output_.is_empty() && !file_read_under_way_) events |= uv::Poll::kWritable;
  // Not to be told of a hang-up would be wrong, to be told of a half-close again and again as well.
  if (events == 0 && !eof_ && !half_closed_) events = uv::Poll::kDisconnect;
  poll_->set(events);
}

// ---- the life of a connection

void HttpConnection::client_gone() {
  if (phase_ == Phase::closed) return;
  if (exchange_.is_open()) log_access(true);
  close();
}

void HttpConnection::cut() { client_gone(); }

void HttpConnection::close() {
  phase_ = Phase::closed;
  shared_.waiting.remove(waiting_);
  poll_.reset();
  socket_.reset();
  exchange_.leave();
  if (self_) *self_ = nullptr;
  self_.reset();
  if (!exchange_.has_call()) release_input();  // else the call's head still points into it
  later();
}

void HttpConnection::linger() {
  ::shutdown(socket_.get(), SHUT_WR);
  phase_ = Phase::lingering;
  filled_ = parsed_ = head_size_ = 0;
  lingered_ = 0;
  body_kind_ = BodyKind::none;
  read_deadline_ = shared_.loop.now() + kLingerTime;
  if (eof_) close();
}

void HttpConnection::take_input() {
  if (!input_) input_ = shared_.buffers.take();
}

void HttpConnection::release_input() {
  if (input_) shared_.buffers.give(std::move(input_));
  filled_ = parsed_ = head_size_ = 0;
}

void HttpConnection::advance() {
  if (advancing_) return;
  advancing_ = true;
  while (phase_ == Phase::head && filled_ > 0) {
    const bool started = parser_.started();
    const ParseState state = parser_.read_head({input_.get(), filled_});
    if (state == ParseState::need_more) {
      if (!started && parser_.started()) {
        read_deadline_ = shared_.loop.now() + shared_.header_timeout;
        shared_.waiting.push_back(waiting_, shared_.loop.now());
      }
      break;
    }
    begin_request();
    if (state == ParseState::refused) {
      refuse(parser_.refusal());
    } else {
      start_request();
    }
  }
  advancing_ = false;
  if (phase_ == Phase::head && eof_) close();
  update_poll();
}

void HttpConnection::begin_request() {
  exchange_.open(parser_.request());
  shared_.waiting.remove(waiting_);
  body_pace_.reset();
  answer_pace_.reset();
  delivered_.reset();
  if (left_at_) left_at_ = shared_.loop.now();
  written_before_ = output_.written();
  body_done_ = true;
  body_streams_ = body_in_input_ = want_body_ = continue_owed_ = false;
  head_sent_ = truncated_ = response_done_ = false;
  unsent_.clear();
  body_sent_ = 0;
  traits_ = {};
}

void HttpConnection::message_over() {
  log_access(truncated_);
  const bool unread = exchange_.is_refused() || !body_done_ || exchange_.is_broken() || filled_ > parsed_;
  if (truncated_) {
    close();
  } else if (!plan_.keep_alive && (unread || parser_.request().keep_alive)) {
    linger();
  } else if (!plan_.keep_alive) {
    close();
  } else if (!body_done_) {
    phase_ = Phase::draining;
    read_deadline_ = shared_.loop.now() + shared_.body_timeout;
    drain_body();
  } else {
    next_message();
  }
}

void HttpConnection::next_message() {
  filled_ -= parsed_;
  if (filled_ > 0) std::memmove(input_.get(), input_.get() + parsed_, filled_);
  parsed_ = head_size_ = 0;
  staging_.clear();
  parser_.begin_message();
  phase_ = Phase::head;
  body_kind_ = BodyKind::none;
  read_deadline_ = shared_.loop.now() + shared_.idle_timeout;
  shared_.waiting.push_back(waiting_, shared_.loop.now());
  if (filled_ == 0) {
    release_input();
    if (eof_ || shared_.stopping) close();
  } else if (!advancing_) {
    later();
  }
}

void HttpConnection::log_access(bool was_cut) { exchange_.end(output_.written() - written_before_, was_cut); }

}  // namespace moult::http
