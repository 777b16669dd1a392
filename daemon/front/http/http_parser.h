#pragma once

#include "daemon/front/http/http_head.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace moult::http {

// One request's head and what HTTP/1.1 adds to it. The views point into the buffer that was given to
// HttpParser::read_head.
struct HttpRequest : RequestHead {
  bool keep_alive = false;
  bool expects_continue = false;
};

// A strict HTTP/1.1 request parser without I/O: HeadCheck in front, Boost.Beast's basic_parser for
// the head and for chunked bodies, and whatever either refuses is refused. One per connection, loop
// thread; it allocates when it is made and while its header array grows, then no more.
class HttpParser {
 public:
  explicit HttpParser(HeadLimits limits = {});
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  void begin_message();
  // Reads a head from the front of `input`, which begins where it began at the last call since
  // begin_message() and may have grown. Header names are lower-cased in place.
  ParseState read_head(std::span<char> input);
  std::size_t head_size() const { return check_.end(); }  // after done: empty lines included
  bool started() const { return check_.started(); }       // something of the request has arrived

  const HttpRequest& request() const { return request_; }
  HttpRequest& request() { return request_; }
  const Refusal& refusal() const { return refusal_; }

  // A chunked body, after a head with request().chunked: decodes from the front of `input` to the
  // end of `out`, at most `room` bytes. What is not consumed must come again at the next call.
  // Trailers are read and dropped. 413 when the body gets larger than `max_body`.
  struct Chunked {
    ParseState state = ParseState::need_more;
    std::size_t consumed = 0;
  };
  Chunked read_chunked(std::string_view input, std::string& out, std::size_t room, std::uint64_t max_body);

 private:
  class Beast;

  ParseState refused(const Refusal& refusal);

  HeadLimits limits_;
  HeadCheck check_;
  HttpRequest request_;
  Refusal refusal_;
  std::unique_ptr<Beast> beast_;
};

}  // namespace moult::http
