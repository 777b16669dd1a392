#include "daemon/front/cgi/cgi_connection.h"

#include "daemon/front/target.h"

#include <poll.h>
#include <sys/socket.h>
#include <algorithm>
#include <array>
#include <cerrno>

// Events, the request, and the end of a connection; cgi_answer.cpp has the answer.

namespace moult::cgi {

namespace {

constexpr std::size_t kReadSize = 32 * 1024;
constexpr Milliseconds kLingerTime{5000};
constexpr Milliseconds kIdleLeast{1000};
// Below it, and waited for longer, a client counts as slow.
constexpr double kSlowRate = 16 * 1024;
constexpr Seconds kSlowAfter{2};

std::unique_ptr<Parser> make_parser(Wire wire, Parser::Sink& sink) {
  switch (wire) {
    case Wire::scgi: return make_scgi_parser(sink);
    case Wire::uwsgi: return make_uwsgi_parser(sink);
    default: return make_fcgi_parser(sink);
  }
}

}  // namespace

CgiConnection::CgiConnection(http::ConnectionShared& shared, Fd socket, moult::Wire wire,
                             const Routes& routes)
    : shared_(shared),
      socket_(std::move(socket)),
      parser_(make_parser(wire, *this)),
      exchange_(shared, *this, peer_, routes) {
  poll_.emplace(shared_.loop, socket_.get(), [this](int events) { on_ready(events); });
  waiting_.connection = this;
  shared_.waiting.push_back(waiting_, shared_.loop.now());
  read_deadline_ = shared_.loop.now() + shared_.header_timeout;
  update_poll();
}

CgiConnection::~CgiConnection() {
  if (phase_ != Phase::closed) close();
  exchange_.cancel();
}

void CgiConnection::act() {
  if (phase_ == Phase::closed) return exchange_.cancel();
  if (std::exchange(aborted_, false) && !answer_done_) {
    exchange_.cancel();
    parser_->append_end(unsent_);
    answer_done_ = true;
  }
  write_unsent();
  if (phase_ == Phase::answering && answer_done_ && !file_ && output_.is_empty()) request_over();
}

void CgiConnection::on_ready(int events) {
  if ((events & uv::Poll::kError) != 0) return front_gone();
  if ((events & uv::Poll::kWritable) != 0) on_writable();
  if ((events & uv::Poll::kReadable) != 0) {
    on_readable();
  } else if ((events & uv::Poll::kDisconnect) != 0) {
    front_gone();  // front servers close, and half-close nothing
  }
  update_poll();
}

void CgiConnection::on_readable() {
  if (phase_ == Phase::closed) return;
  std::array<char, kReadSize> buffer;
  const ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) front_gone();
    return;
  }
  if (count == 0) {
    eof_ = true;
    phase_ == Phase::lingering ? close() : front_gone();
    return;
  }
  shared_.counters.bytes_in += static_cast<std::uint64_t>(count);
  if (phase_ == Phase::lingering) return;
  if (opened_) body_pace_.moved(static_cast<std::uint64_t>(count));
  take({buffer.data(), static_cast<std::size_t>(count)});
}

void CgiConnection::take(std::string_view bytes) {
  if (is_garbled_) return;
  if (!parser_->has_started()) {
    read_deadline_ = shared_.loop.now() + shared_.header_timeout;
    shared_.waiting.push_back(waiting_, shared_.loop.now());
  }
  if (const auto refusal = parser_->feed(bytes)) {
    is_garbled_ = true;
    return opened_ ? front_gone() : refuse(*refusal);
  }
  if (phase_ == Phase::body) {
    collect();
  } else if (phase_ == Phase::answering) {
    feed_body();
  }
}

void CgiConnection::on_writable() {
  if (phase_ == Phase::closed) return;
  const std::uint64_t before = output_.written();
  const http::Output::State state = output_.flush(socket_.get());
  if (output_.written() != before) {
    send_deadline_.reset();
    answer_pace_.moved(output_.written() - before);
  }
  after_output(state);
}

void CgiConnection::update_poll() {
  if (phase_ == Phase::closed) return;
  int events = uv::Poll::kDisconnect;
  if (staging_.size() < lane::kInlineBodyMax || phase_ == Phase::lingering) events |= uv::Poll::kReadable;
  if (!output_.is_empty() && !file_read_under_way_) events |= uv::Poll::kWritable;
  poll_->set(events);
}

// ---- the request

void CgiConnection::on_variables() {
  const auto refusal = parser_->variables().read(request_, peer_);
  // Its own client may be a proxy that is believed.
  peer_.trusted = shared_.trusted.trusts(peer_.address);
  open();
  if (refusal) return refuse(*refusal);
  traits_.is_head = request_.method == "HEAD";
  request_.chunked = !request_.has_length && request_.method != "GET" && request_.method != "HEAD";
  const http::Target target = http::split_target(request_.method, request_.target);
  if (target.refusal.status != 0) return refuse(target.refusal);
  const bool has_host = request_.find("host") != nullptr || !target.authority.empty();
  const bool has_body = request_.chunked || request_.content_length > 0;
  exchange_.begin(has_host ? target.authority : peer_.local_host, target.path, target.query,
                  has_body ? http::Exchange::Body::follows : http::Exchange::Body::none);
}

void CgiConnection::open() {
  shared_.waiting.remove(waiting_);
  read_deadline_.reset();
  phase_ = Phase::answering;
  opened_ = true;
  written_before_ = output_.written();
  exchange_.open(request_);
}

void CgiConnection::refuse(const http::Refusal& refusal) {
  if (!opened_) open();
  phase_ = Phase::answering;
  read_deadline_.reset();
  exchange_.refuse(refusal);
}

// ---- its body

void CgiConnection::on_body(std::string_view piece) {
  received_ += piece.size();
  if (!answer_done_) staging_.append(piece);
}

void CgiConnection::on_body_end() { body_done_ = true; }

void CgiConnection::on_abort() {
  aborted_ = true;
  later();
}

void CgiConnection::on_reply(std::string_view bytes) {
  unsent_.append(bytes);
  later();
}

// What has come already is looked at when the parser is done with it.
void CgiConnection::collect_body() {
  phase_ = Phase::body;
  body_pace_.wait(shared_.loop.now());
}

void CgiConnection::collect() {
  read_deadline_ = shared_.loop.now() + shared_.body_timeout;
  if (received_ > exchange_.max_body()) {
    refuse({413, "The body is larger than this server accepts."});
  } else if (body_done_ && staging_.size() <= exchange_.inline_max()) {
    begin_answering();
    exchange_.body_whole(staging_);
  } else if (staging_.size() >= exchange_.inline_max()) {
    begin_answering();
    body_streams_ = true;
    exchange_.body_streams();
  }
}

void CgiConnection::begin_answering() {
  phase_ = Phase::answering;
  read_deadline_.reset();
  body_pace_.stop(shared_.loop.now());
}

void CgiConnection::want_body() {
  want_body_ = true;
  feed_body();
  update_poll();
}

void CgiConnection::feed_body() {
  if (feeding_ || !body_streams_ || !exchange_.has_call()) return;
  feeding_ = true;
  if (received_ > exchange_.max_body())
    exchange_.break_body({413, "The body is larger than this server accepts."});
  while (want_body_ && phase_ == Phase::answering) {
    if (staging_.empty() && !body_done_ && !exchange_.is_broken()) {
      read_deadline_ = shared_.loop.now() + shared_.body_timeout;
      body_pace_.wait(shared_.loop.now());
      break;
    }
    body_pace_.stop(shared_.loop.now());
    want_body_ = false;
    read_deadline_.reset();
    exchange_.give_body(staging_, body_done_ || exchange_.is_broken() ? End::yes : End::no);
    staging_.clear();
  }
  feeding_ = false;
}

void CgiConnection::body_is_late() {
  const http::Refusal late{408, "The request did not arrive in time."};
  if (phase_ == Phase::body) return refuse(late);
  exchange_.break_body(late);
  feed_body();
}

// ---- deadlines, and the end

void CgiConnection::sweep(SteadyTime now) {
  if (phase_ == Phase::closed) return;
  const bool stands =
      (send_deadline_ && now >= *send_deadline_) ||
      (answer_pace_.is_waiting() && answer_pace_.is_below(now, shared_.send_timeout, shared_.min_rate));
  if (stands) {
    front_gone();
  } else if (body_pace_.is_waiting() && body_pace_.is_below(now, shared_.body_timeout, shared_.min_rate)) {
    body_is_late();
  } else if (read_deadline_ && now >= *read_deadline_) {
    read_deadline_.reset();
    const bool waits_for_body = phase_ == Phase::body || phase_ == Phase::answering;
    waits_for_body ? body_is_late() : close();
  }
  update_poll();
}

std::optional<http::Connection::Slow> CgiConnection::slowness(SteadyTime now) {
  const bool reads = phase_ == Phase::answering && answer_pace_.is_waiting();
  if (!reads && !body_pace_.is_waiting()) return std::nullopt;
  http::Pace& pace = reads ? answer_pace_ : body_pace_;
  if (!pace.is_slow(now, kSlowAfter, kSlowRate)) return std::nullopt;
  const bool holds = exchange_.has_call() && (!reads || exchange_.is_paused());
  return Slow{pace.rate(now), this, holds ? exchange_.calls() : nullptr, exchange_.slow_max()};
}

void CgiConnection::end_slow() {
  answer_pace_.is_waiting() ? front_gone() : body_is_late();
  update_poll();
}

void CgiConnection::close_if_idle() {
  if (phase_ != Phase::head || parser_->has_started()) return;
  char byte = 0;
  if (::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) return;
  close();
}

bool CgiConnection::make_room(SteadyTime now) {
  if (now - waiting_.since < kIdleLeast) return false;
  parser_->has_started() ? close() : close_if_idle();
  return phase_ == Phase::closed;
}

void CgiConnection::request_over() {
  if (opened_) exchange_.end(output_.written() - written_before_, truncated_);
  if (truncated_ || eof_) return close();
  if (is_garbled_ || !parser_->keeps_connection() || shared_.stopping) {
    return body_done_ && !is_garbled_ ? close() : linger();
  }
  parser_->next();
  phase_ = Phase::head;
  opened_ = body_done_ = body_streams_ = want_body_ = head_sent_ = answer_done_ = false;
  received_ = body_sent_ = 0;
  staging_.clear();
  body_pace_.reset();
  answer_pace_.reset();
  read_deadline_ = shared_.loop.now() + shared_.idle_timeout;
  shared_.waiting.push_back(waiting_, shared_.loop.now());
  update_poll();
}

void CgiConnection::linger() {
  ::shutdown(socket_.get(), SHUT_WR);
  phase_ = Phase::lingering;
  staging_.clear();
  read_deadline_ = shared_.loop.now() + kLingerTime;
  update_poll();
}

void CgiConnection::front_gone() {
  if (phase_ == Phase::closed) return;
  if (opened_ && exchange_.is_open()) exchange_.end(output_.written() - written_before_, true);
  close();
}

void CgiConnection::close() {
  phase_ = Phase::closed;
  shared_.waiting.remove(waiting_);
  poll_.reset();
  socket_.reset();
  exchange_.leave();
  if (self_) *self_ = nullptr;
  self_.reset();
  later();
}

}  // namespace moult::cgi
