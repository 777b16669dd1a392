#include "daemon/front/http/http_connection.h"
#include "daemon/front/http_text.h"

#include <sys/socket.h>
#include <algorithm>
#include <cstring>

// From a parsed head to the submitted call, and the request's body.

namespace moult::http {

namespace {

// Read at once when a body goes straight to its buffer.
constexpr std::size_t kReadSize = 32 * 1024;

}  // namespace

void HttpConnection::start_request() {
  HttpRequest& request = parser_.request();
  head_size_ = parsed_ = parser_.head_size();
  phase_ = Phase::answering;
  read_deadline_.reset();
  body_kind_ = request.chunked                                    ? BodyKind::chunked
               : request.has_length && request.content_length > 0 ? BodyKind::length
                                                                  : BodyKind::none;
  body_left_ = request.content_length;
  body_done_ = body_kind_ == BodyKind::none;
  // A client that sends the body without waiting needs no 100 (RFC 9110 section 10.1.1).
  continue_owed_ = request.expects_continue && !body_done_ && filled_ == parsed_;
  body_streams_ = continue_owed_;
  traits_.is_head = request.method == "HEAD";
  traits_.http10 = request.http10;
  const Target target = split_target(request.method, request.target);
  if (target.refusal.status != 0) return refuse(target.refusal);
  exchange_.begin(target.authority, target.path, target.query,
                  body_done_       ? Exchange::Body::none
                  : continue_owed_ ? Exchange::Body::awaits_continue
                                   : Exchange::Body::follows);
}

// ---- the body

// Whether body bytes are read to staging_ without a stop in the input buffer.
bool HttpConnection::reads_straight() const {
  return body_kind_ == BodyKind::length && !body_in_input_ && !body_done_ && parsed_ == filled_ &&
         (phase_ == Phase::body || (phase_ == Phase::answering && body_streams_));
}

ssize_t HttpConnection::receive() {
  if (!reads_straight()) {
    take_input();
    const ssize_t count = ::recv(socket_.get(), input_.get() + filled_, kInputSize - filled_, MSG_DONTWAIT);
    if (count > 0) filled_ += static_cast<std::size_t>(count);
    if (filled_ == 0) release_input();
    return count;
  }
  const std::size_t before = staging_.size();
  const std::size_t room = std::min(kReadSize, lane::kInlineBodyMax - before);
  staging_.resize(before + static_cast<std::size_t>(std::min<std::uint64_t>(room, body_left_)));
  const ssize_t count =
      ::recv(socket_.get(), staging_.data() + before, staging_.size() - before, MSG_DONTWAIT);
  const std::size_t got = count > 0 ? static_cast<std::size_t>(count) : 0;
  staging_.resize(before + got);
  body_left_ -= got;
  body_done_ = body_left_ == 0;
  return count;
}

void HttpConnection::collect_body() {
  body_in_input_ = body_kind_ == BodyKind::length && body_left_ <= exchange_.inline_max() &&
                   head_size_ + body_left_ <= kInputSize;
  phase_ = Phase::body;
  body_pace_.wait(shared_.loop.now());
  collect();
}

void HttpConnection::collect() {
  read_deadline_ = shared_.loop.now() + shared_.body_timeout;
  if (body_in_input_) {
    if (filled_ - head_size_ < body_left_) return;
    const auto size = static_cast<std::size_t>(body_left_);
    parsed_ = head_size_ + size;
    body_left_ = 0;
    body_done_ = true;
    begin_answering();
    exchange_.body_whole({input_.get() + head_size_, size});
  } else if (const auto refusal = pull_body()) {
    refuse(*refusal);
  } else if (body_done_ && staging_.size() <= exchange_.inline_max()) {
    begin_answering();
    exchange_.body_whole(staging_);
  } else if (staging_.size() >= exchange_.inline_max()) {
    begin_answering();
    body_streams_ = true;
    exchange_.body_streams();
  }
}

void HttpConnection::begin_answering() {
  phase_ = Phase::answering;
  read_deadline_.reset();
  body_pace_.stop(shared_.loop.now());
}

// Moves what has come from the input to staging_. Says so when the body is malformed or too large.
std::optional<Refusal> HttpConnection::pull_body() {
  const std::size_t room = lane::kInlineBodyMax - staging_.size();
  if (body_done_ || parsed_ == filled_) return std::nullopt;
  if (body_kind_ == BodyKind::length) {
    const std::size_t size = std::min({room, filled_ - parsed_, static_cast<std::size_t>(body_left_)});
    staging_.append(input_.get() + parsed_, size);
    parsed_ += size;
    body_left_ -= size;
    body_done_ = body_left_ == 0;
  } else {
    const auto read = parser_.read_chunked({input_.get() + parsed_, filled_ - parsed_}, staging_, room,
                                           exchange_.max_body());
    parsed_ += read.consumed;
    body_done_ = read.state == ParseState::done;
    if (read.state == ParseState::refused) return parser_.refusal();
  }
  if (body_done_) return std::nullopt;
  std::memmove(input_.get() + head_size_, input_.get() + parsed_, filled_ - parsed_);
  filled_ -= parsed_ - head_size_;
  parsed_ = head_size_;
  if (filled_ < kInputSize || staging_.size() == lane::kInlineBodyMax) return std::nullopt;
  return Refusal{400, "A chunk's header or the trailers are too long."};
}

void HttpConnection::feed_body() {
  if (feeding_ || !body_streams_ || !exchange_.has_call()) return;
  feeding_ = true;
  while (want_body_ && phase_ == Phase::answering) {
    if (!exchange_.is_broken()) {
      if (const auto refusal = pull_body()) exchange_.break_body(*refusal);
    }
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

void HttpConnection::want_body() {
  want_body_ = true;
  if (continue_owed_ && !head_sent_) {
    continue_owed_ = false;
    const std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
    after_output(output_.send(socket_.get(), {&text, 1}));
  }
  feed_body();
  update_poll();
}

void HttpConnection::drain_body() {
  const std::size_t size = std::min(filled_ - parsed_, static_cast<std::size_t>(body_left_));
  parsed_ += size;
  body_left_ -= size;
  if (body_left_ == 0) {
    body_done_ = true;
    next_message();
  } else {
    filled_ = parsed_ = head_size_;
  }
}

}  // namespace moult::http
