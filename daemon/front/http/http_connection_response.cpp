#include "daemon/front/http/http_connection.h"

#include <fmt/format.h>

#include <sys/socket.h>
#include <algorithm>

// The answer of a request: from the app, or the daemon's own pages.

namespace moult::http {

namespace {

constexpr std::size_t kPauseAbove = 1u << 20;
constexpr std::size_t kResumeBelow = 256 * 1024;
// Pieces of an answer are put together in one piece of memory up to this size.
constexpr std::size_t kGatherMax = 16 * 1024;
// A body that nobody read is taken off the connection up to this size; else the connection closes.
constexpr std::uint64_t kDrainMax = 64 * 1024;

struct FailurePage {
  int status;
  std::string_view sentence;
  std::string_view headers;
};

FailurePage page_of(CallFailure failure) {
  switch (failure) {
    case CallFailure::queue_full:
      return {503, "Too many requests are waiting for this app. Try again soon.", "Retry-After: 1\r\n"};
    case CallFailure::queue_timeout:
      return {503, "This app had no time for the request. Try again soon.", "Retry-After: 1\r\n"};
    case CallFailure::app_stopped: return {503, "This app is stopped.", "Retry-After: 5\r\n"};
    case CallFailure::app_unavailable:
      return {503, "This app's code is not loaded; `moultctl status {}` says why.", "Retry-After: 5\r\n"};
    case CallFailure::app_moving:
      return {503, "This app is being moved to a process of its own. Try again.", "Retry-After: 1\r\n"};
    case CallFailure::app_error: return {500, "The app failed while it answered this request.", {}};
    case CallFailure::host_lost: return {502, "The process that answered this request ended.", {}};
    case CallFailure::too_large: return {431, "The headers are larger than this server accepts.", {}};
    case CallFailure::call_timeout: return {504, "The app took too long to answer this request.", {}};
  }
  return {500, "The request failed.", {}};
}

}  // namespace

bool HttpConnection::body_allows_keep_alive() const {
  if (body_done_) return true;
  return body_kind_ == BodyKind::length && !continue_owed_ && !body_broken_ && !body_in_input_ &&
         body_left_ <= kDrainMax;
}

void HttpConnection::begin_response(const lane::Head& head, std::size_t body_size, End end) {
  traits_.keep_alive =
      parser_.request().keep_alive && !refused_ && !shared_.stopping && body_allows_keep_alive();
  plan_ = plan_response(traits_, head, body_size, end);
  append_response_head(unsent_, traits_, head, plan_, shared_.date.text(shared_.loop.now()));
  head_sent_ = true;
  status_ = head.status;
}

void HttpConnection::send_body_piece(std::string_view data, End end) {
  if (left_at_ && !data.empty()) left_at_ = shared_.loop.now();
  std::string_view tail;
  switch (plan_.framing) {
    case BodyFraming::none: data = {}; break;
    case BodyFraming::length: data = data.substr(0, plan_.length - body_sent_); break;
    case BodyFraming::close: break;
    case BodyFraming::chunked: {
      const bool ends = end == End::yes;
      if (!data.empty()) {
        append_chunk_size(unsent_, data.size());
        tail = ends ? "\r\n0\r\n\r\n" : "\r\n";
      } else if (ends) {
        tail = kLastChunk;
      }
      break;
    }
  }
  body_sent_ += data.size();
  // Small pieces wait until the loop has dealt with all that was ready: a new request is with its
  // worker sooner, chunks that come in one go leave in one packet, and a client that is woken by
  // the first answer finds others with it.
  const std::size_t size = unsent_.size() + data.size() + tail.size();
  const bool waits = size > 0 && size <= kGatherMax && output_.is_empty();
  if (waits) {
    unsent_.append(data).append(tail);
    if (end == End::yes) end_response();
    later();
    return;
  }
  const Output::State state = output_.send(socket_.get(), {{unsent_, data, tail}});
  unsent_.clear();
  if (end == End::yes) end_response();
  after_output(state);
}

void HttpConnection::write_unsent() {
  if (unsent_.empty()) return;
  const Output::State state = output_.send(socket_.get(), {{unsent_}});
  unsent_.clear();
  after_output(state);
}

// All of the answer is with us.
void HttpConnection::end_response() {
  call_active_ = false;
  paused_ = false;
  want_body_ = false;
  body_pace_.stop(shared_.loop.now());
  response_done_ = true;
  truncated_ = plan_.framing == BodyFraming::length && body_sent_ < plan_.length;
}

void HttpConnection::after_output(Output::State state) {
  if (phase_ == Phase::closed) return;
  switch (state) {
    case Output::State::closed: client_gone(); return;
    case Output::State::empty:
      send_deadline_.reset();
      answer_pace_.stop(shared_.loop.now());
      if (response_done_) {
        message_over();
        return;
      }
      break;
    case Output::State::needs_file:
    case Output::State::blocked:
      if (state == Output::State::blocked) {
        answer_pace_.wait(shared_.loop.now());
      } else {  // it is we who are slow
        answer_pace_.stop(shared_.loop.now());
        read_file_ahead();
      }
      if (!send_deadline_) send_deadline_ = shared_.loop.now() + shared_.send_timeout;
      update_poll();
      break;
  }
  if (!call_active_) return;
  const bool crowded = output_.waiting_bytes() > kPauseAbove || output_.has_file();
  const bool roomy = output_.waiting_bytes() < kResumeBelow && !output_.has_file();
  if (!paused_ && crowded) {
    paused_ = true;
    calls_->pause(call_);
  } else if (paused_ && roomy) {
    paused_ = false;
    calls_->resume(call_);
  }
}

void HttpConnection::read_file_ahead() {
  if (file_read_under_way_) return;
  file_read_under_way_ = true;
  if (!self_) self_ = std::make_shared<HttpConnection*>(this);
  const FileRegion window = output_.next_read();
  uv::compute_in_background<bool>(
      shared_.loop, {uv::Work::files, app_}, [window] { return read_into_memory(window); },
      [self = self_, size = window.length](bool is_file) {
        HttpConnection* const connection = *self;
        if (connection == nullptr) return;
        connection->file_read_under_way_ = false;
        if (!is_file) return connection->client_gone();
        connection->output_.file_read(size);
        connection->on_writable();
        connection->update_poll();
      });
}

// ---- what the app says

void HttpConnection::on_head(Call&, const lane::Head& head, std::string_view body, End end) {
  if (end == End::yes) call_active_ = false;
  if (phase_ == Phase::closed) return;
  if (head.status < 200 || head.status > 999) {  // the worker refuses these; a lane gone wrong
    client_gone();
    return;
  }
  begin_response(head, body.size(), end);
  send_body_piece(body, end);
}

void HttpConnection::on_chunk(Call&, std::string_view data, End end) {
  if (end == End::yes) call_active_ = false;
  if (phase_ == Phase::closed) return;
  send_body_piece(data, end);
}

void HttpConnection::on_file(Call&, Fd file, std::uint64_t offset, std::uint64_t length, End end) {
  if (end == End::yes) call_active_ = false;
  if (phase_ == Phase::closed) return;
  if (plan_.framing == BodyFraming::length) length = std::min(length, plan_.length - body_sent_);
  if (plan_.framing == BodyFraming::none || length == 0) {
    send_body_piece({}, end);
    return;
  }
  const bool chunked = plan_.framing == BodyFraming::chunked;
  if (chunked) append_chunk_size(unsent_, length);
  output_.queue(unsent_);
  unsent_.clear();
  output_.queue_file({std::make_shared<const Fd>(std::move(file)), offset, length, 0});
  if (chunked) output_.queue("\r\n");
  body_sent_ += length;
  if (end == End::yes) {
    if (chunked) output_.queue(kLastChunk);
    end_response();
  }
  after_output(output_.flush(socket_.get()));
}

void HttpConnection::on_failure(Call&, CallFailure failure, std::string_view detail) {
  call_active_ = false;
  paused_ = false;
  want_body_ = false;
  if (phase_ == Phase::closed) return;
  if (head_sent_) {
    write_unsent();
    if (phase_ == Phase::closed) return;
    // Without a length and without chunks only a reset tells the client that something is missing.
    if (plan_.framing == BodyFraming::close) {
      const ::linger reset{1, 0};
      ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    client_gone();
    return;
  }
  if (failure == CallFailure::app_error && body_broken_) {  // it failed for want of the rest of the body
    refuse(body_refusal_);
    return;
  }
  const FailurePage page = page_of(failure);
  const bool tells = debug_ && (failure == CallFailure::app_error || failure == CallFailure::app_unavailable);
  send_page(page.status, fmt::format(fmt::runtime(page.sentence), app_), page.headers,
            tells ? detail : std::string_view());
}

// ---- our own pages

void HttpConnection::refuse(const Refusal& refusal) {
  refused_ = true;
  phase_ = Phase::answering;
  read_deadline_.reset();
  send_page(refusal.status, refusal.sentence);
}

void HttpConnection::send_page(int status, std::string_view sentence, std::string_view extra_headers,
                               std::string_view detail) {
  const std::string page = error_page(status, sentence, detail);
  const std::string headers = fmt::format(
      "Content-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n{}", page.size(), extra_headers);
  lane::Head head;
  head.flags = lane::kHasLength;
  head.length = page.size();
  head.status = static_cast<std::uint16_t>(status);
  head.reason = reason_phrase(status);
  head.header_text = headers;
  begin_response(head, page.size(), End::yes);
  send_body_piece(page, End::yes);
}

void HttpConnection::send_empty(int status) {
  lane::Head head;
  head.status = static_cast<std::uint16_t>(status);
  head.reason = reason_phrase(status);
  begin_response(head, 0, End::yes);
  send_body_piece({}, End::yes);
}

}  // namespace moult::http
