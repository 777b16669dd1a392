#include "daemon/front/cgi/cgi_connection.h"
#include "daemon/front/http_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

// The framing of an answer and its way to the socket.

namespace moult::cgi {

namespace {

// Pieces of an answer are put together in one piece of memory up to this size.
constexpr std::size_t kGatherMax = 16 * 1024;
// How much of a file is queued at a time.
constexpr std::uint64_t kFileAhead = 16 * Parser::kFilePiece;

// With these an app could have the front server send any file that it can read.
constexpr std::array<std::string_view, 3> kFileHeaders{"x-sendfile", "x-lighttpd-send-file",
                                                       "x-lighttpd-send-tempfile"};

bool is_for_front(std::string_view name) {
  if (name.size() >= 8 && http::equals_ignoring_case(name.substr(0, 8), "x-accel-")) return true;
  return std::ranges::any_of(
      kFileHeaders, [&](std::string_view header) { return http::equals_ignoring_case(name, header); });
}

void append_headers(std::string& out, std::string_view lines, const http::ResponsePlan& plan) {
  while (!lines.empty()) {
    const std::size_t size = std::min(lines.find("\r\n"), lines.size() - 2) + 2;
    const std::string_view line = lines.substr(0, size);
    const std::string_view name = line.substr(0, line.find(':'));
    const bool dropped =
        is_for_front(name) || (plan.drop_length && http::equals_ignoring_case(name, "content-length"));
    if (!dropped) out.append(line);
    lines.remove_prefix(size);
  }
}

}  // namespace

void CgiConnection::send_head(const lane::Head& head, std::string_view body, End end) {
  plan_ = http::plan_response(traits_, head, body.size(), end);
  head_sent_ = true;
  std::string text;
  parser_->append_status(text, head.status, head.reason);
  append_headers(text, head.header_text, plan_);
  if (plan_.add_length) fmt::format_to(std::back_inserter(text), "Content-Length: {}\r\n", plan_.length);
  text.append("\r\n");
  parser_->append_data(unsent_, text);
  send_body(body, end);
}

void CgiConnection::send_body(std::string_view data, End end) {
  if (plan_.framing == http::BodyFraming::none) data = {};
  if (plan_.framing == http::BodyFraming::length) data = data.substr(0, plan_.length - body_sent_);
  body_sent_ += data.size();
  parser_->append_data(unsent_, data);
  if (end == End::yes) end_answer();
  if (unsent_.size() <= kGatherMax && output_.is_empty()) return later();
  write_unsent();
}

// All of it is with us. Without its end the front server knows that something is missing.
void CgiConnection::end_answer() {
  read_deadline_.reset();
  want_body_ = false;
  body_pace_.stop(shared_.loop.now());
  answer_done_ = true;
  truncated_ = plan_.framing == http::BodyFraming::length && body_sent_ < plan_.length;
  if (!truncated_) parser_->append_end(unsent_);
}

void CgiConnection::send_file(http::FileRegion region, End end) {
  if (plan_.framing == http::BodyFraming::length)
    region.length = std::min(region.length, plan_.length - body_sent_);
  if (plan_.framing == http::BodyFraming::none || region.length == 0) return send_body({}, end);
  body_sent_ += region.length;
  file_ = std::move(region);
  file_ends_ = end == End::yes;
  queue_file();
  after_output(output_.flush(socket_.get()));
  update_poll();
}

// Some records more; what is queued before them is out, or a part of the same answer.
void CgiConnection::queue_file() {
  for (std::uint64_t queued = 0; file_ && queued < kFileAhead;) {
    http::FileRegion piece = *file_;
    const std::size_t before = unsent_.size();
    const std::uint64_t most = std::min<std::uint64_t>(piece.length, Parser::kFilePiece);
    parser_->append_file_prefix(unsent_, static_cast<std::size_t>(most));
    if (unsent_.size() > before) piece.length = most;  // else it goes whole
    piece.in_memory = std::min(piece.in_memory, piece.length);
    if (!unsent_.empty()) output_.queue(unsent_);
    unsent_.clear();
    queued += piece.length;
    file_->offset += piece.length;
    file_->length -= piece.length;
    file_->in_memory -= piece.in_memory;
    if (file_->length == 0) file_.reset();
    output_.queue_file(std::move(piece));
  }
  if (file_ || !std::exchange(file_ends_, false)) return;
  end_answer();
  if (!unsent_.empty()) output_.queue(unsent_);
  unsent_.clear();
}

void CgiConnection::write_unsent() {
  if (unsent_.empty()) return;
  const std::string_view text = unsent_;
  const http::Output::State state = output_.send(socket_.get(), {&text, 1});
  unsent_.clear();
  after_output(state);
}

void CgiConnection::after_output(http::Output::State state) {
  if (phase_ == Phase::closed) return;
  while (state == http::Output::State::empty && file_) {
    queue_file();
    state = output_.flush(socket_.get());
  }
  switch (state) {
    case http::Output::State::closed: return front_gone();
    case http::Output::State::empty:
      send_deadline_.reset();
      answer_pace_.stop(shared_.loop.now());
      if (answer_done_) later();
      break;
    case http::Output::State::needs_file:
    case http::Output::State::blocked:
      if (state == http::Output::State::blocked) {
        answer_pace_.wait(shared_.loop.now());
      } else {
        answer_pace_.stop(shared_.loop.now());
        read_file_ahead();
        if (phase_ == Phase::closed) return;
      }
      if (!send_deadline_) send_deadline_ = shared_.loop.now() + shared_.send_timeout;
      update_poll();
      break;
  }
  exchange_.note_backlog(output_.waiting_bytes(), output_.has_file() || file_);
}

void CgiConnection::read_file_ahead() {
  if (file_read_under_way_) return;
  const uv::Errand errand{uv::Work::files, exchange_.app()};
  if (!shared_.loop.background().has_room(errand)) return front_gone();
  file_read_under_way_ = true;
  if (!self_) self_ = std::make_shared<CgiConnection*>(this);
  const http::FileRegion window = output_.next_read();
  uv::compute_in_background<bool>(
      shared_.loop, errand, [window] { return http::read_into_memory(window); },
      [self = self_, size = window.length](bool is_file) {
        CgiConnection* const connection = *self;
        if (connection == nullptr) return;
        connection->file_read_under_way_ = false;
        if (!is_file) return connection->front_gone();
        connection->output_.file_read(size);
        connection->on_writable();
        connection->update_poll();
      });
}

void CgiConnection::cut_answer() {
  want_body_ = false;
  write_unsent();
  front_gone();
}

}  // namespace moult::cgi
