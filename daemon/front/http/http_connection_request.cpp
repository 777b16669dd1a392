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

bool is_safe_method(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

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
  traits_.is_head = request.method == "HEAD";
  traits_.http10 = request.http10;
  const Refusal refusal = resolve();
  if (refusal.status != 0) {
    refuse(refusal);
  } else if (path_view_ == "*") {
    send_empty(204);  // OPTIONS *: the server is there
  } else {
    route_request();
  }
}

Refusal HttpConnection::resolve() {
  HttpRequest& request = parser_.request();
  const Target target = split_target(request.method, request.target);
  if (target.refusal.status != 0) return target.refusal;
  query_ = target.query;
  path_view_ = target.path;
  if (target.path.find('%') != std::string_view::npos) {
    path_.clear();
    if (!append_percent_decoded(path_, target.path)) return {400, "The path holds a bad percent escape."};
    path_view_ = path_;
  }
  resolve_host(target.authority);
  if (!peer_.trusted) {
    drop_forwarded(request);
    return {0, {}};
  }
  const Forwarded forwarded = read_forwarded(request, shared_.trusted);
  if (!forwarded.address.empty()) {
    call_.head.remote_addr = forwarded.address;
    call_.head.remote_port = {};
  }
  if (forwarded.https) call_.head.flags |= lane::kHttps;
  return {0, {}};
}

void HttpConnection::resolve_host(std::string_view target_authority) {
  std::string_view text = target_authority;
  for (lane::Header& header : parser_.request().headers) {
    if (header.name != "host") continue;
    // RFC 9112 section 3.2.2: the authority of an absolute target replaces the Host header.
    if (target_authority.empty())
      text = header.value;
    else
      header.value = target_authority;
  }
  const Authority authority = parse_authority(text).value_or(Authority{});
  host_.assign(authority.host);
  std::ranges::transform(host_, host_.begin(), lower);
  if (host_.size() > 1 && host_.back() == '.') host_.pop_back();
}

void HttpConnection::route_request() {
  const HttpRequest& request = parser_.request();
  const Routes::Match match = routes_.find(host_, path_view_);
  if (match.target == nullptr) {
    send_page(404, "Nothing is served here.");
    return;
  }
  const RouteTarget& target = *match.target;
  app_ = target.app;
  const std::string_view path_info = path_view_.substr(match.prefix.size());
  const StaticMatch file = find_static(target.static_files, path_info);
  if (!file.root.empty()) {
    start_static(file);
    return;
  }
  calls_ = target.calls;
  debug_ = target.debug;
  max_body_ = target.max_body;
  slow_max_ = target.slow_max;
  if (body_kind_ == BodyKind::length && body_left_ > max_body_) {
    refuse({413, "The body is larger than this server accepts."});
    return;
  }
  lane::RequestHead& head = call_.head;
  const bool https = (head.flags & lane::kHttps) != 0;
  if (request.http10) head.flags |= lane::kHttp10;
  if (request.chunked) head.flags |= lane::kBodyChunked;
  head.content_length = request.content_length;
  head.method = request.method;
  head.target = request.target;
  head.script_name = path_view_.substr(0, match.prefix.size());
  head.path_info = path_info;
  head.query = query_;
  head.server_name = host_.empty() ? peer_.local_host : host_;
  // A unix socket has no port.
  head.server_port = !peer_.local_port.empty() ? std::string_view(peer_.local_port) : https ? "443" : "80";

  // Parts of a head appear in the packet two or three times; the body must still fit.
  const std::size_t size = lane::request_size(head, request.headers);
  if (size > lane::kPacketMax) {
    refuse({431, "The headers are larger than this server accepts."});
    return;
  }
  call_.head_size = size;
  inline_max_ = std::min(lane::kInlineBodyMax, lane::kPacketMax - size);
  if (body_done_) {
    submit(false);
  } else if (continue_owed_) {
    submit(true);
  } else {
    // Also a large one gets its worker only when its beginning is here.
    body_in_input_ =
        body_kind_ == BodyKind::length && body_left_ <= inline_max_ && head_size_ + body_left_ <= kInputSize;
    phase_ = Phase::body;
    body_pace_.wait(shared_.loop.now());
    collect_body();
  }
}

void HttpConnection::submit(bool streams) {
  const bool waited = phase_ == Phase::body;
  phase_ = Phase::answering;
  read_deadline_.reset();
  body_pace_.stop(shared_.loop.now());
  body_streams_ = streams;
  if (streams) call_.head.flags |= lane::kBodyStreams;
  call_.client = this;
  call_.headers = parser_.request().headers;
  call_.head.call = shared_.numbers.next();
  call_.safe_to_retry = !streams && is_safe_method(call_.head.method);
  call_active_ = true;
  if (waited) {
    // The app may have been removed while the body came in.
    const Routes::Match match = routes_.find(host_, path_view_);
    if (match.target == nullptr || match.target->app != app_) {
      on_failure(call_, CallFailure::app_stopped, {});
      return;
    }
    calls_ = match.target->calls;
  }
  calls_->submit(call_);
}

void HttpConnection::start_static(const StaticMatch& match) {
  const std::string_view method = parser_.request().method;
  if (method != "GET" && method != "HEAD") {
    send_page(405, "Files can only be read.", "Allow: GET, HEAD\r\n");
    return;
  }
  // A disk that hangs holds the jobs of clients that have long gone.
  if (!shared_.loop.background().has_room({uv::Work::files, std::string(match.root)})) {
    send_page(503, "The disk of this file does not answer.", "Retry-After: 5\r\n");
    return;
  }
  static_job_ = open_static_in_background(shared_.loop, std::string(match.root), std::string(match.relative),
                                          [this](StaticFile file) { static_done(std::move(file)); });
}

void HttpConnection::static_done(StaticFile file) {
  static_job_.reset();
  if (!file.file) {
    send_page(404, "There is no such file.");
  } else {
    const StaticAnswer answer = plan_static(file, path_view_, parser_.request());
    lane::Head head;
    head.status = static_cast<std::uint16_t>(answer.status);
    head.reason = reason_phrase(answer.status);
    head.header_text = answer.headers;
    head.length = answer.length;
    head.flags = lane::kHasLength;
    begin_response(head, 0, End::yes);
    output_.queue(unsent_);
    unsent_.clear();
    if (plan_.framing == BodyFraming::length) {
      const std::uint64_t ready = file.in_memory > answer.offset ? file.in_memory - answer.offset : 0;
      output_.queue_file({file.file, answer.offset, answer.length, std::min(ready, answer.length)});
    }
    response_done_ = true;
    after_output(output_.flush(socket_.get()));
  }
  update_poll();
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
  read_deadline_ = shared_.loop.now() + shared_.body_timeout;
  if (body_in_input_) {
    if (filled_ - head_size_ < body_left_) return;
    const auto size = static_cast<std::size_t>(body_left_);
    call_.body = {input_.get() + head_size_, size};
    parsed_ = head_size_ + size;
    body_left_ = 0;
    body_done_ = true;
    submit(false);
  } else if (!pull_body()) {
    refuse(body_refusal_);
  } else if (body_done_ && staging_.size() <= inline_max_) {
    call_.body = staging_;
    submit(false);
  } else if (staging_.size() >= inline_max_) {
    submit(true);
  }
}

// Moves what has come from the input to staging_. False: the body is malformed or too large.
bool HttpConnection::pull_body() {
  const std::size_t room = lane::kInlineBodyMax - staging_.size();
  if (body_done_ || parsed_ == filled_) return true;
  if (body_kind_ == BodyKind::length) {
    const std::size_t size = std::min({room, filled_ - parsed_, static_cast<std::size_t>(body_left_)});
    staging_.append(input_.get() + parsed_, size);
    parsed_ += size;
    body_left_ -= size;
    body_done_ = body_left_ == 0;
  } else {
    const auto read =
        parser_.read_chunked({input_.get() + parsed_, filled_ - parsed_}, staging_, room, max_body_);
    parsed_ += read.consumed;
    body_done_ = read.state == ParseState::done;
    body_refusal_ = parser_.refusal();
    if (read.state == ParseState::refused) return false;
  }
  if (body_done_) return true;
  std::memmove(input_.get() + head_size_, input_.get() + parsed_, filled_ - parsed_);
  filled_ -= parsed_ - head_size_;
  parsed_ = head_size_;
  body_refusal_ = {400, "A chunk's header or the trailers are too long."};
  return filled_ < kInputSize || staging_.size() == lane::kInlineBodyMax;
}

void HttpConnection::feed_body() {
  if (feeding_ || !body_streams_ || !call_active_) return;
  feeding_ = true;
  while (want_body_ && phase_ == Phase::answering) {
    if (!body_broken_ && !pull_body()) body_broken_ = true;
    if (staging_.empty() && !body_done_ && !body_broken_) {
      read_deadline_ = shared_.loop.now() + shared_.body_timeout;
      body_pace_.wait(shared_.loop.now());
      break;
    }
    body_pace_.stop(shared_.loop.now());
    want_body_ = false;
    read_deadline_.reset();
    const bool ends = body_done_ || body_broken_;
    calls_->send_body(call_, staging_, ends ? End::yes : End::no, body_broken_);
    staging_.clear();
  }
  feeding_ = false;
}

void HttpConnection::on_want_body(Call&) {
  if (phase_ == Phase::closed) return;
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
