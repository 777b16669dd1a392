#include "daemon/front/http/http_parser.h"

#include "daemon/front/http_text.h"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/version.hpp>

#include <algorithm>
#include <limits>
#include <optional>

// The only file that includes Boost.Beast. It must compile from Boost 1.74 to 1.92: string_view is
// boost's own there or std's, so it is only ever taken apart by data() and size(); the limits are
// numbers, never boost::none, which 1.74 compares as smaller than any length; and trailers come by
// the callback of headers before 1.90, by their own from there on.

namespace moult::http {

namespace beast = boost::beast;

namespace {

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

// The shortest thing between chunks, "0\r\n\r\n". Beast 1.74 asserts that it has that much when it
// sees a last chunk for the second time.
constexpr std::size_t kShortestChunkHeader = 5;

constexpr auto kNoLimit = std::numeric_limits<std::uint64_t>::max();

// Takes Beast's callbacks of one message.
class MessageParser final : public beast::http::basic_parser<true> {
 public:
  MessageParser(HttpRequest& request, char* base) : request_(request), base_(base) {}

  void decode_into(std::string& out, std::size_t room, std::uint64_t max_body) {
    out_ = &out;
    room_ = room;
    max_body_ = max_body;
  }
  bool is_too_large() const { return too_large_; }
  bool is_before_chunk_header() const { return chunk_left_ == 0 && !last_chunk_; }
  ChunkPlace place() const { return chunks_seen_ ? ChunkPlace::follows : ChunkPlace::first; }

 private:
  using error_code = beast::error_code;
  using string_view = beast::string_view;

  void on_request_impl(beast::http::verb, string_view method, string_view target, int, error_code&) override {
    request_.method = view(method);
    request_.target = view(target);
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(beast::http::field, string_view name, string_view value, error_code& ec) override {
    const std::string_view text = view(name);
    if (head_done_) {
      on_trailer(text, ec);
      return;
    }
    if (text.find('_') != std::string_view::npos) return;
    char* start = base_ + (text.data() - base_);  // the same bytes, writable
    std::transform(start, start + text.size(), start, lower);
    request_.headers.push_back({text, trim(view(value))});
  }
#if BOOST_VERSION >= 109000
  void on_trailer_field_impl(beast::http::field, string_view name, string_view, error_code& ec) override {
    on_trailer(view(name), ec);
  }
#endif
  // Trailers are dropped; those that would change the framing afterwards are refused (RFC 9110
  // section 6.5.1), as Beast itself does in some versions.
  void on_trailer(std::string_view name, error_code& ec) {
    const bool frames =
        equals_ignoring_case(name, "content-length") || equals_ignoring_case(name, "transfer-encoding");
    if (frames || ++trailers_ > kTrailersMax) ec = beast::http::error::bad_field;
  }
  void on_header_impl(error_code&) override { head_done_ = true; }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t size, string_view extensions, error_code& ec) override {
    const std::string_view text = view(extensions);
    if (!std::all_of(text.begin(), text.end(), is_value_char)) ec = beast::http::error::bad_chunk_extension;
    too_large_ = size > max_body_ || total_ > max_body_ - size;
    if (too_large_) ec = beast::http::error::body_limit;
    total_ += size;
    chunk_left_ = size;
    chunks_seen_ = true;
    last_chunk_ = size == 0;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    const std::size_t taken = std::min(body.size(), room_);
    out_->append(body.data(), taken);
    room_ -= taken;
    chunk_left_ -= taken;
    return taken;
  }
  void on_finish_impl(error_code&) override {}

  HttpRequest& request_;
  char* base_;
  bool head_done_ = false;
  bool too_large_ = false;
  int trailers_ = 0;
  static constexpr int kTrailersMax = 32;
  std::string* out_ = nullptr;
  std::size_t room_ = 0;
  std::uint64_t max_body_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t chunk_left_ = 0;
  bool chunks_seen_ = false;
  bool last_chunk_ = false;
};

}  // namespace

class HttpParser::Beast {
 public:
  std::optional<MessageParser> message;
};

HttpParser::HttpParser(HeadLimits limits)
    : limits_(limits), check_(limits), beast_(std::make_unique<Beast>()) {
  request_.headers.reserve(24);
}

HttpParser::~HttpParser() = default;

void HttpParser::begin_message() {
  check_.reset();
  beast_->message.reset();
  request_.method = request_.target = {};
  request_.http10 = request_.keep_alive = request_.chunked = false;
  request_.has_length = request_.expects_continue = false;
  request_.content_length = 0;
  request_.headers.clear();
}

ParseState HttpParser::refused(const Refusal& refusal) {
  refusal_ = refusal;
  return ParseState::refused;
}

ParseState HttpParser::read_head(std::span<char> input) {
  const ParseState state = check_.scan({input.data(), input.size()});
  if (state == ParseState::refused) return refused(check_.refusal());
  if (state == ParseState::need_more) return state;

  char* const base = input.data() + check_.begin();
  MessageParser& message = beast_->message.emplace(request_, base);
  message.header_limit(static_cast<std::uint32_t>(limits_.bytes + 1));
  message.body_limit(kNoLimit);
  const std::size_t size = check_.end() - check_.begin();
  if (check_.is_later_minor()) base[std::string_view(base, size).find('\r') - 1] = '1';
  beast::error_code error;
  const std::size_t taken = message.put(boost::asio::const_buffer(base, size), error);
  if (error || taken != size || !message.is_header_done()) {
    return refused({400, "The head of the request is malformed."});
  }
  request_.http10 = check_.is_http10();
  request_.keep_alive = check_.keep_alive();
  request_.chunked = check_.is_chunked();
  request_.has_length = check_.has_length();
  request_.content_length = check_.content_length();
  request_.expects_continue = check_.expects_continue();
  if (message.chunked() != request_.chunked) return refused({400, "The framing of the body is unclear."});
  return ParseState::done;
}

HttpParser::Chunked HttpParser::read_chunked(std::string_view input, std::string& out, std::size_t room,
                                             std::uint64_t max_body) {
  MessageParser& message = *beast_->message;
  message.decode_into(out, room, max_body);
  Chunked result;
  while (!message.is_done() && result.consumed < input.size()) {
    const std::string_view rest = input.substr(result.consumed);
    if (message.is_before_chunk_header()) {
      if (is_broken_chunk_line(rest, message.place())) {
        result.state = refused({400, "The chunked body is malformed."});
        return result;
      }
      if (rest.size() < kShortestChunkHeader) break;
    }
    beast::error_code error;
    const std::size_t taken = message.put(boost::asio::const_buffer(rest.data(), rest.size()), error);
    result.consumed += taken;
    if (error == beast::http::error::need_more) break;
    if (error) {
      result.state =
          refused(message.is_too_large() ? Refusal{413, "The body is larger than this server accepts."}
                                         : Refusal{400, "The chunked body is malformed."});
      return result;
    }
    if (taken == 0) break;  // no room
  }
  result.state = message.is_done() ? ParseState::done : ParseState::need_more;
  return result;
}

}  // namespace moult::http
