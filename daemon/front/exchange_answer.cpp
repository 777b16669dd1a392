#include "daemon/front/exchange.h"
#include "daemon/front/response.h"

#include <fmt/format.h>

#include <algorithm>

// The answer of a request: from the app, a static file, or the daemon's own pages.

namespace moult::http {

namespace {

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

// ---- what the app says

void Exchange::on_head(Call&, const lane::Head& head, std::string_view body, End end) {
  if (end == End::yes) end_call();
  if (gone_) return;
  if (head.status < 200 || head.status > 999) {  // the worker refuses these; a lane gone wrong
    wire_.cut_answer();
    return;
  }
  send_head(head, body, end);
}

void Exchange::on_chunk(Call&, std::string_view data, End end) {
  if (end == End::yes) end_call();
  if (!gone_) wire_.send_body(data, end);
}

void Exchange::on_file(Call&, Fd file, std::uint64_t offset, std::uint64_t length, End end) {
  if (end == End::yes) end_call();
  if (!gone_) wire_.send_file({std::make_shared<const Fd>(std::move(file)), offset, length, 0}, end);
}

void Exchange::on_want_body(Call&) {
  if (!gone_) wire_.want_body();
}

void Exchange::on_failure(Call&, CallFailure failure, std::string_view detail) {
  end_call();
  if (gone_) return;
  if (status_ != 0) return wire_.cut_answer();
  // It failed for want of the rest of the body.
  if (failure == CallFailure::app_error && broken_) return refuse(*broken_);
  const FailurePage page = page_of(failure);
  const bool tells = debug_ && (failure == CallFailure::app_error || failure == CallFailure::app_unavailable);
  send_page(page.status, fmt::format(fmt::runtime(page.sentence), app_), page.headers,
            tells ? detail : std::string_view());
}

// ---- static files

void Exchange::start_static(const StaticMatch& match) {
  if (request_->method != "GET" && request_->method != "HEAD") {
    return send_page(405, "Files can only be read.", "Allow: GET, HEAD\r\n");
  }
  // A disk that hangs holds the jobs of clients that have long gone.
  if (!shared_.loop.background().has_room({uv::Work::files, std::string(match.root)})) {
    return send_page(503, "The disk of this file does not answer.", "Retry-After: 5\r\n");
  }
  static_job_ = open_static_in_background(shared_.loop, std::string(match.root), std::string(match.relative),
                                          [this](StaticFile file) { static_done(std::move(file)); });
}

void Exchange::static_done(StaticFile file) {
  static_job_.reset();
  if (!file.file) return send_page(404, "There is no such file.");
  const StaticAnswer answer = plan_static(file, path_view_, *request_);
  lane::Head head;
  head.status = static_cast<std::uint16_t>(answer.status);
  head.reason = reason_phrase(answer.status);
  head.header_text = answer.headers;
  head.length = answer.length;
  head.flags = lane::kHasLength;
  const std::uint64_t ready = file.in_memory > answer.offset ? file.in_memory - answer.offset : 0;
  send_head(head, {}, End::no);
  if (gone_) return;
  wire_.send_file({file.file, answer.offset, answer.length, std::min(ready, answer.length)}, End::yes);
}

// ---- our own pages

void Exchange::send_head(const lane::Head& head, std::string_view body, End end) {
  status_ = head.status;
  wire_.send_head(head, body, end);
}

void Exchange::refuse(const Refusal& refusal) {
  refused_ = true;
  send_page(refusal.status, refusal.sentence);
}

void Exchange::send_page(int status, std::string_view sentence, std::string_view extra_headers,
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
  send_head(head, page, End::yes);
}

}  // namespace moult::http
