#include "daemon/front/exchange.h"

#include "daemon/front/http_text.h"
#include "daemon/front/response.h"

#include <algorithm>

// From a request's head to the submitted call, and its record.

namespace moult::http {

namespace {

constexpr std::size_t kPauseAbove = 1u << 20;
constexpr std::size_t kResumeBelow = 256 * 1024;

bool is_safe_method(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

}  // namespace

void Exchange::open(RequestHead& head) {
  ++shared_.counters.requests;
  request_ = &head;
  open_ = true;
  // The loop's own time is of whole milliseconds.
  started_ = shared_.access_log ? Steady::now() : SteadyTime{};
  calls_ = nullptr;
  app_.clear();
  call_ = Call{};
  call_.head.remote_addr = peer_.address;
  call_.head.remote_port = peer_.port;
  debug_ = collecting_ = refused_ = false;
  broken_.reset();
  status_ = 0;
}

void Exchange::begin(std::string_view authority, std::string_view path, std::string_view query, Body body) {
  path_view_ = path;
  if (path.find('%') != std::string_view::npos) {
    path_.clear();
    if (!append_percent_decoded(path_, path)) return refuse({400, "The path holds a bad percent escape."});
    path_view_ = path_;
  }
  resolve_host(authority);
  resolve_client();
  if (path_view_ != "*") return route(query, body);
  lane::Head head;  // OPTIONS *: the server is there
  head.status = 204;
  head.reason = reason_phrase(204);
  send_head(head, {}, End::yes);
}

void Exchange::resolve_host(std::string_view target_authority) {
  std::string_view text = target_authority;
  for (lane::Header& header : request_->headers) {
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

void Exchange::resolve_client() {
  if (peer_.https) call_.head.flags |= lane::kHttps;
  if (!peer_.trusted) return drop_forwarded(*request_);
  const Forwarded forwarded = read_forwarded(*request_, shared_.trusted);
  if (!forwarded.address.empty()) {
    call_.head.remote_addr = forwarded.address;
    call_.head.remote_port = {};
  }
  if (forwarded.https) call_.head.flags |= lane::kHttps;
}

void Exchange::route(std::string_view query, Body body) {
  const Routes::Match match = routes_.find(host_, path_view_);
  if (match.target == nullptr) return send_page(404, "Nothing is served here.");
  const RouteTarget& target = *match.target;
  app_ = target.app;
  const std::string_view path_info = path_view_.substr(match.prefix.size());
  const StaticMatch file = find_static(target.static_files, path_info);
  if (!file.root.empty()) return start_static(file);
  calls_ = target.calls;
  debug_ = target.debug;
  max_body_ = target.max_body;
  slow_max_ = target.slow_max;
  if (request_->content_length > max_body_) {
    return refuse({413, "The body is larger than this server accepts."});
  }
  lane::RequestHead& head = call_.head;
  const bool https = (head.flags & lane::kHttps) != 0;
  if (request_->http10) head.flags |= lane::kHttp10;
  if (request_->chunked) head.flags |= lane::kBodyChunked;
  head.content_length = request_->content_length;
  head.method = request_->method;
  head.target = request_->target;
  head.script_name = path_view_.substr(0, match.prefix.size());
  head.path_info = path_info;
  head.query = query;
  head.server_name = host_.empty() ? peer_.local_host : host_;
  // A unix socket has no port.
  head.server_port = !peer_.local_port.empty() ? std::string_view(peer_.local_port) : https ? "443" : "80";

  // Parts of a head appear in the packet two or three times; the body must still fit.
  const std::size_t size = lane::request_size(head, request_->headers);
  if (size > lane::kRequestMax) return refuse({431, "The headers are larger than this server accepts."});
  call_.head_size = size;
  inline_max_ = std::min(lane::kInlineBodyMax, lane::kRequestMax - size);
  if (body != Body::follows) return submit(body == Body::awaits_continue);
  // Also a large one gets its worker only when its beginning is here.
  collecting_ = true;
  wire_.collect_body();
}

void Exchange::body_whole(std::string_view body) {
  call_.body = body;
  submit(false);
}

void Exchange::body_streams() { submit(true); }

void Exchange::submit(bool streams) {
  if (streams) call_.head.flags |= lane::kBodyStreams;
  call_.client = this;
  call_.headers = request_->headers;
  call_.head.call = shared_.numbers.next();
  call_.safe_to_retry = !streams && is_safe_method(call_.head.method);
  active_ = true;
  if (std::exchange(collecting_, false)) {
    // The app may have been removed while the body came in.
    const Routes::Match match = routes_.find(host_, path_view_);
    if (match.target == nullptr || match.target->app != app_) {
      return on_failure(call_, CallFailure::app_stopped, {});
    }
    calls_ = match.target->calls;
  }
  calls_->submit(call_);
}

void Exchange::give_body(std::string_view piece, End end) {
  calls_->send_body(call_, piece, end, is_broken());
}

void Exchange::note_backlog(std::size_t bytes, bool has_file) {
  if (!active_) return;
  if (!paused_ && (bytes > kPauseAbove || has_file)) {
    paused_ = true;
    calls_->pause(call_);
  } else if (paused_ && bytes < kResumeBelow && !has_file) {
    paused_ = false;
    calls_->resume(call_);
  }
}

void Exchange::leave() {
  gone_ = true;
  if (static_job_) static_job_->on_done = nullptr;
  static_job_.reset();
}

void Exchange::cancel() {
  if (std::exchange(active_, false)) calls_->cancel(call_);
}

void Exchange::end(std::uint64_t bytes, bool was_cut) {
  open_ = false;
  shared_.counters.bytes_out += bytes;
  if (was_cut) ++shared_.counters.cut;
  const auto klass = static_cast<std::size_t>(status_ / 100);
  if (status_ != 0 && klass < shared_.counters.by_class.size()) ++shared_.counters.by_class[klass];
  if (!shared_.access_log) return;
  AccessRecord record;
  record.remote_addr = call_.head.remote_addr;
  record.method = request_->method;
  record.target = request_->target;
  record.app = app_;
  record.status = status_;
  record.bytes = bytes;
  if (started_ != SteadyTime{}) record.duration = Steady::now() - started_;
  record.cut = was_cut;
  shared_.access_log(record);
}

}  // namespace moult::http
