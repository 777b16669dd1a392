#pragma once

#include "daemon/serve/call.h"

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

// What a response looks like on the wire: pure decisions and text, no I/O.

namespace moult::http {

// How a client learns where the body ends.
enum class BodyFraming {
  none,     // HEAD, 204, 304: whatever the app gives is dropped
  length,   // Content-Length
  chunked,  // HTTP/1.1 without a length
  close,    // HTTP/1.0 without a length
};

struct RequestTraits {
  bool is_head = false;
  bool http10 = false;
  bool keep_alive = false;  // the client wants it and we can
};

struct ResponsePlan {
  BodyFraming framing = BodyFraming::none;
  std::uint64_t length = 0;  // with BodyFraming::length
  bool add_length = false;   // the app gave none, but its whole body is here
  bool drop_length = false;  // that of the app: 204 must not have one (RFC 9110 section 8.6)
  bool keep_alive = false;
};

ResponsePlan plan_response(const RequestTraits& request, const lane::Head& head, std::size_t body_size,
                           End end);

// Appends status line, headers and the empty line. `date` is ready text for the Date header.
void append_response_head(std::string& out, const RequestTraits& request, const lane::Head& head,
                          const ResponsePlan& plan, std::string_view date);

// Appends the size line before a chunk of a chunked body; "\r\n" follows the data.
void append_chunk_size(std::string& out, std::uint64_t size);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

std::string_view reason_phrase(int status);  // "" when not known

// A small HTML page: the status, one sentence, and a pre-formatted text when there is one.
std::string error_page(int status, std::string_view sentence, std::string_view detail = {});

// "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(std::time_t time);
// Nothing for what is no IMF-fixdate; the obsolete forms of RFC 9110 section 5.6.7 are not read.
bool parse_http_date(std::string_view text, std::time_t& time);

// The Date header's text, made once a second. One per server, loop thread.
class DateCache {
 public:
  std::string_view text(SteadyTime now, WallTime (*wall_clock)() = &std::chrono::system_clock::now);

 private:
  std::string text_;
  SteadyTime good_until_{};
};

}  // namespace moult::http
