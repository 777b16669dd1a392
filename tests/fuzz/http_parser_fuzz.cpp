#include "daemon/front/http/http_parser.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

// Gives arbitrary bytes to the request parser: as one piece and cut in two places. Both must come to
// the same verdict, and what is accepted must keep the promises that the connection relies on.

using namespace moult::http;

namespace {

constexpr std::uint64_t kMaxBody = 1u << 16;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Verdict {
  ParseState head = ParseState::need_more;
  ParseState body = ParseState::done;
  std::string decoded;
  std::size_t used = 0;
  bool operator==(const Verdict&) const = default;
};

void check_request(const HttpRequest& request) {
  require(!request.method.empty() && !request.target.empty());
  require(!(request.chunked && request.has_length));
  for (const moult::lane::Header& header : request.headers) {
    require(!header.name.empty() && header.name.find('_') == std::string_view::npos);
    require(
        std::none_of(header.name.begin(), header.name.end(), [](char c) { return c >= 'A' && c <= 'Z'; }));
    require(header.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
  }
  split_target(request.method, request.target);
}

void read_body(HttpParser& parser, std::string_view rest, std::size_t cut, Verdict& verdict) {
  verdict.body = ParseState::need_more;
  for (const std::size_t end : {std::min(cut, rest.size()), rest.size()}) {
    if (verdict.body != ParseState::need_more || end < verdict.used) continue;
    const auto read = parser.read_chunked(rest.substr(verdict.used, end - verdict.used), verdict.decoded,
                                          kMaxBody, kMaxBody);
    verdict.used += read.consumed;
    verdict.body = read.state;
    require(verdict.used <= end && verdict.decoded.size() <= kMaxBody);
  }
}

Verdict judge(std::string text, std::size_t cut) {
  HttpParser parser;
  parser.begin_message();
  Verdict verdict;
  verdict.head = parser.read_head({text.data(), std::min(cut, text.size())});
  if (verdict.head == ParseState::need_more) verdict.head = parser.read_head(text);
  if (verdict.head == ParseState::refused)
    require(parser.refusal().status >= 400 && parser.refusal().status < 600);
  if (verdict.head != ParseState::done) return verdict;
  require(parser.head_size() <= text.size());
  check_request(parser.request());
  const std::string_view rest = std::string_view(text).substr(parser.head_size());
  if (parser.request().chunked) read_body(parser, rest, cut, verdict);
  if (verdict.body == ParseState::refused) verdict.used = 0;  // how far it got does not matter
  return verdict;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const Verdict whole = judge(text, size);
  Verdict cut = judge(text, size / 2);
  if (whole.body == ParseState::refused && cut.body == ParseState::refused) cut.decoded = whole.decoded;
  require(cut == whole);
  return 0;
}
