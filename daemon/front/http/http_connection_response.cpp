#include "daemon/front/http/http_connection.h"

#include <sys/socket.h>
#include <algorithm>

// The framing of an answer and its way to the socket.

namespace moult::http {

namespace {

// Pieces of an answer are put together in one piece of memory up to this size.
constexpr std::size_t kGatherMax = 16 * 1024;
// A body that nobody read is taken off the connection up to this size; else the connection closes.
constexpr std::uint64_t kDrainMax = 64 * 1024;

}  // namespace

bool HttpConnection::body_allows_keep_alive() const {
  if (body_done_) return true;
  return body_kind_ == BodyKind::length && !continue_owed_ && !exchange_.is_broken() && !body_in_input_ &&
         body_left_ <= kDrainMax;
}

void HttpConnection::send_head(const lane::Head& head, std::string_view body, End end) {
  traits_.keep_alive = parser_.request().keep_alive && !exchange_.is_refused() && !shared_.stopping &&
                       body_allows_keep_alive();
  plan_ = plan_response(traits_, head, body.size(), end);
  append_response_head(unsent_, traits_, head, plan_, shared_.date.text(shared_.loop.now()));
  head_sent_ = true;
  send_body(body, end);
}

void HttpConnection::send_body(std::string_view data, End end) {
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
  read_deadline_.reset();
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
        if (phase_ == Phase::closed) return;
      }
      if (!send_deadline_) send_deadline_ = shared_.loop.now() + shared_.send_timeout;
      update_poll();
      break;
  }
  exchange_.note_backlog(output_.waiting_bytes(), output_.has_file());
}

void HttpConnection::read_file_ahead() {
  if (file_read_under_way_) return;
  const uv::Errand errand{uv::Work::files, exchange_.app()};
  // A disk that hangs holds the reads of clients that have long gone, each with its descriptor.
  if (!shared_.loop.background().has_room(errand)) return client_gone();
  file_read_under_way_ = true;
  if (!self_) self_ = std::make_shared<HttpConnection*>(this);
  const FileRegion window = output_.next_read();
  uv::compute_in_background<bool>(
      shared_.loop, errand, [window] { return read_into_memory(window); },
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

void HttpConnection::send_file(FileRegion region, End end) {
  if (plan_.framing == BodyFraming::length) {
    region.length = std::min(region.length, plan_.length - body_sent_);
  }
  if (plan_.framing == BodyFraming::none || region.length == 0) {
    send_body({}, end);
    return;
  }
  const bool chunked = plan_.framing == BodyFraming::chunked;
  if (chunked) append_chunk_size(unsent_, region.length);
  output_.queue(unsent_);
  unsent_.clear();
  body_sent_ += region.length;
  output_.queue_file(std::move(region));
  if (chunked) output_.queue("\r\n");
  if (end == End::yes) {
    if (chunked) output_.queue(kLastChunk);
    end_response();
  }
  after_output(output_.flush(socket_.get()));
  update_poll();
}

void HttpConnection::cut_answer() {
  want_body_ = false;
  write_unsent();
  if (phase_ == Phase::closed) return;
  // Without a length and without chunks only a reset tells the client that something is missing.
  if (head_sent_ && plan_.framing == BodyFraming::close) {
    const ::linger reset{1, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  client_gone();
}

void HttpConnection::refuse(const Refusal& refusal) {
  phase_ = Phase::answering;
  read_deadline_.reset();
  exchange_.refuse(refusal);
}

}  // namespace moult::http
