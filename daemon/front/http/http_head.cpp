#include "daemon/front/http/http_head.h"

#include "daemon/front/http_text.h"

#include <algorithm>
#include <cstring>

namespace moult::http {

namespace {

// Whether it can stand in a request target (RFC 3986; '#' is judged by split_target). In a query browsers
// send five more as they are (https://url.spec.whatwg.org/#query-percent-encode-set).
bool is_target(std::string_view target) {
  const std::size_t question = target.find('?');
  const auto fits = [](std::string_view part, std::string_view never) {
    return std::ranges::all_of(
        part, [never](char c) { return c > 0x20 && c < 0x7f && never.find(c) == std::string_view::npos; });
  };
  return !target.empty() && fits(target.substr(0, question), "\"<>\\^`{|}") &&
         (question == std::string_view::npos || fits(target.substr(question), "\"<>"));
}

}  // namespace

void HeadCheck::reset() { *this = HeadCheck(limits_); }

bool HeadCheck::refuse(int status, std::string_view sentence) {
  refusal_ = {status, sentence};
  return false;
}

ParseState HeadCheck::scan(std::string_view input) {
  for (;;) {
    const void* found = scanned_ < input.size()
                            ? std::memchr(input.data() + scanned_, '\n', input.size() - scanned_)
                            : nullptr;
    if (found == nullptr) break;
    const auto feed = static_cast<std::size_t>(static_cast<const char*>(found) - input.data());
    if (feed + 1 - begin_ > limits_.bytes) break;
    const std::string_view line = input.substr(line_, feed - line_);
    if (!line.ends_with('\r')) {
      refuse(400, "A line ends with a bare line feed.");
      return ParseState::refused;
    }
    const std::string_view content = line.substr(0, line.size() - 1);
    scanned_ = line_ = feed + 1;
    if (content.empty() && !request_line_seen_) {
      // RFC 9112 section 2.2: empty lines before the request line are skipped. A few.
      begin_ = line_;
      if (begin_ > 8) {
        refuse(400, "Empty lines instead of a request.");
        return ParseState::refused;
      }
      continue;
    }
    if (content.empty()) return finish() ? ParseState::done : ParseState::refused;
    const bool fine = request_line_seen_ ? check_field_line(content) : check_request_line(content);
    if (!fine) return ParseState::refused;
    request_line_seen_ = true;
  }
  scanned_ = std::max(scanned_, input.size());
  started_ = input.size() > begin_ && !(input.size() == begin_ + 1 && input[begin_] == '\r');
  if (!request_line_seen_ && started_ && !is_token_char(input[begin_]) && input[begin_] != '\r') {
    refuse(400, "The request does not begin with a method.");  // a TLS greeting, for example
    return ParseState::refused;
  }
  if (input.size() - begin_ <= limits_.bytes) return ParseState::need_more;
  if (request_line_seen_) {
    refuse(431, "The headers are larger than this server accepts.");
  } else {
    refuse(414, "The request line is longer than this server accepts.");
  }
  return ParseState::refused;
}

bool HeadCheck::check_request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::string_view method = line.substr(0, first);
  if (!is_token(method)) return refuse(400, "The method is no token.");
  if (first == std::string_view::npos) return refuse(400, "The request line has no target.");
  const std::size_t second = line.find(' ', first + 1);
  if (second == std::string_view::npos) return refuse(400, "The request line has no HTTP version.");
  const std::string_view target = line.substr(first + 1, second - first - 1);
  if (!is_target(target)) {
    return refuse(400, "The request target is empty or holds characters that have to be escaped.");
  }
  return check_version(line.substr(second + 1));
}

bool HeadCheck::check_version(std::string_view version) {
  const bool well_formed = version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) &&
                           version[6] == '.' && is_digit(version[7]);
  if (!well_formed) return refuse(400, "The request line does not end with an HTTP version.");
  if (version[5] != '1') return refuse(505, "This server speaks HTTP/1.0 and HTTP/1.1 only.");
  later_minor_ = version[7] > '1';
  http10_ = version[7] == '0';
  return true;
}

bool HeadCheck::check_field_line(std::string_view line) {
  if (++headers_ > limits_.headers) return refuse(431, "There are more headers than this server accepts.");
  if (line[0] == ' ' || line[0] == '\t') return refuse(400, "A header is folded over two lines.");
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return refuse(400, "A header line has no colon.");
  const std::string_view name = line.substr(0, colon);
  if (!is_token(name)) return refuse(400, "A header name is no token.");
  const std::string_view value = line.substr(colon + 1);
  if (!std::ranges::all_of(value, is_value_char)) {
    return refuse(400, "A header value holds control characters.");
  }
  return check_known_field(name, trim(value));
}

bool HeadCheck::check_known_field(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 4:
      if (!equals_ignoring_case(name, "host")) return true;
      ++hosts_;
      return parse_authority(value) ? true : refuse(400, "The Host header is invalid.");
    case 6:
      if (!equals_ignoring_case(name, "expect")) return true;
      (equals_ignoring_case(value, "100-continue") ? expects_continue_ : unknown_expectation_) = true;
      return true;
    case 10: return equals_ignoring_case(name, "connection") ? check_connection(value) : true;
    case 14: {
      if (!equals_ignoring_case(name, "content-length")) return true;
      ++content_lengths_;
      const auto length = parse_decimal(value);
      bad_length_ = bad_length_ || !length;
      content_length_ = length.value_or(0);
      return true;
    }
    case 17:
      if (!equals_ignoring_case(name, "transfer-encoding")) return true;
      ++transfer_encodings_;
      return check_codings(value);
    default: return true;
  }
}

bool HeadCheck::check_codings(std::string_view value) {
  while (const auto coding = next_element(value)) {
    const bool again = ends_chunked_;
    ends_chunked_ = !again && equals_ignoring_case(*coding, "chunked");
    odd_transfer_coding_ = odd_transfer_coding_ || !ends_chunked_;
  }
  return true;
}

bool HeadCheck::check_connection(std::string_view value) {
  while (const auto option = next_element(value)) {
    close_ = close_ || equals_ignoring_case(*option, "close");
    keep_alive_ = keep_alive_ || equals_ignoring_case(*option, "keep-alive");
  }
  return true;
}

bool HeadCheck::finish() {
  if (hosts_ > 1 || (hosts_ == 0 && !http10_)) {
    return refuse(400, "The request needs exactly one Host header.");
  }
  if (content_lengths_ > 1) return refuse(400, "The Content-Length is repeated.");
  if (bad_length_) return refuse(400, "The Content-Length is no number.");
  if (transfer_encodings_ > 0) {
    if (content_lengths_ > 0) return refuse(400, "Content-Length and Transfer-Encoding exclude each other.");
    // RFC 9112 section 6.1: HTTP/1.0 has no transfer codings, so the framing cannot be trusted.
    if (http10_) return refuse(400, "HTTP/1.0 has no Transfer-Encoding.");
    // RFC 9112 section 6.3: without chunked as the last one the length of the body is not known.
    if (transfer_encodings_ > 1 || !ends_chunked_) {
      return refuse(400, "The Transfer-Encoding does not end with chunked.");
    }
    if (odd_transfer_coding_) {
      return refuse(501, "The only transfer coding that this server knows is chunked.");
    }
  }
  if (unknown_expectation_ && !http10_)
    return refuse(417, "The only expectation that can be met is 100-continue.");
  return true;
}

bool is_broken_chunk_line(std::string_view text, ChunkPlace place) {
  constexpr std::size_t kDigitsMax = 16;
  constexpr std::size_t kLineMax = 4096;
  constexpr std::string_view kLineEnd = "\r\n";
  if (place == ChunkPlace::follows) {
    const std::size_t size = std::min(text.size(), kLineEnd.size());
    if (text.substr(0, size) != kLineEnd.substr(0, size)) return true;
    text.remove_prefix(size);
  }
  const auto is_hex = [](char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f'); };
  const auto digits =
      static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_hex) - text.begin());
  if (digits == text.size()) return digits > kDigitsMax;
  if (digits == 0 || digits > kDigitsMax || std::string_view("; \t\r").find(text[digits]) == text.npos) {
    return true;
  }
  const std::size_t end = text.find_first_of(kLineEnd);
  if (end == text.npos) return text.size() > kLineMax;
  return text.substr(end, kLineEnd.size()) != kLineEnd.substr(0, text.size() - end);
}

}  // namespace moult::http
