#pragma once

#include "daemon/front/request_head.h"
#include "daemon/front/target.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace moult::http {

struct HeadLimits {
  std::size_t bytes = 32 * 1024;  // request line and headers together
  std::size_t headers = 100;
};

enum class ParseState { need_more, done, refused };

// The strict reading of a request's head, line by line as its bytes arrive, before a library's
// parser sees it (RFC 9112; deps.md lists what parsers let through). Decides the framing of the
// body and all refusals. Pure; one per parser, reset for each message; holds views into the buffer
// only after `done`.
class HeadCheck {
 public:
  explicit HeadCheck(HeadLimits limits) : limits_(limits) {}

  void reset();
  // `input` begins where it began at the last call and may have grown. After `done` the head is
  // input[begin(), end()).
  ParseState scan(std::string_view input);

  std::size_t begin() const { return begin_; }  // past empty lines before the request line
  std::size_t end() const { return line_; }
  const Refusal& refusal() const { return refusal_; }
  bool started() const { return started_; }  // a byte of the request line was seen

  // After `done`. Offsets became views of the last `input`.
  bool is_http10() const { return http10_; }
  // HTTP/1.2 and above, to be served as 1.1 (RFC 9110 section 2.5).
  bool is_later_minor() const { return later_minor_; }
  bool keep_alive() const { return http10_ ? keep_alive_ && !close_ : !close_; }
  bool is_chunked() const { return transfer_encodings_ > 0; }
  bool has_length() const { return content_lengths_ > 0; }
  std::uint64_t content_length() const { return content_length_; }
  bool expects_continue() const { return expects_continue_ && !http10_; }

 private:
  bool refuse(int status, std::string_view sentence);
  bool check_request_line(std::string_view line);
  bool check_version(std::string_view version);
  bool check_field_line(std::string_view line);
  bool check_known_field(std::string_view name, std::string_view value);
  bool check_codings(std::string_view value);
  bool check_connection(std::string_view value);
  bool finish();

  HeadLimits limits_;
  Refusal refusal_;
  std::size_t begin_ = 0;
  std::size_t line_ = 0;     // where the line begins that is not judged yet
  std::size_t scanned_ = 0;  // no line feed in [line_, scanned_)
  bool started_ = false;
  bool request_line_seen_ = false;
  bool http10_ = false;
  bool later_minor_ = false;
  bool keep_alive_ = false;
  bool close_ = false;
  bool expects_continue_ = false;
  bool unknown_expectation_ = false;
  bool odd_transfer_coding_ = false;
  bool ends_chunked_ = false;  // chunked, once and as the last coding
  bool bad_length_ = false;
  std::size_t headers_ = 0;
  int hosts_ = 0;
  int content_lengths_ = 0;
  int transfer_encodings_ = 0;
  std::uint64_t content_length_ = 0;
};

// Whether what has come of the line before a chunk (RFC 9112 section 7.1) cannot become one any more,
// so that nobody waits for its end. `follows`: a chunk came before, whose line end is in front.
enum class ChunkPlace { first, follows };
bool is_broken_chunk_line(std::string_view text, ChunkPlace place);

}  // namespace moult::http
