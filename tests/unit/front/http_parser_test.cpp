#include "daemon/front/http/http_parser.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace moult;
using namespace moult::http;

namespace {

// Reads `text` in one go; the status of the refusal, 0 when it was accepted, -1 for need_more.
int status_of(std::string text, HeadLimits limits = {}) {
  HttpParser parser(limits);
  parser.begin_message();
  switch (parser.read_head(text)) {
    case ParseState::done: return 0;
    case ParseState::need_more: return -1;
    case ParseState::refused: return parser.refusal().status;
  }
  return -2;
}

// The same, byte by byte.
int status_in_pieces(const std::string& text) {
  HttpParser parser;
  parser.begin_message();
  std::string buffer = text;
  for (std::size_t size = 1; size <= buffer.size(); ++size) {
    const ParseState state = parser.read_head({buffer.data(), size});
    if (state == ParseState::refused) return parser.refusal().status;
    if (state == ParseState::done) return size == buffer.size() ? 0 : -3;
  }
  return -1;
}

struct Case {
  const char* why;
  std::string text;
  int status;
};

const std::string kHost = "Host: a\r\n";

struct Body {
  std::string decoded;
  ParseState state = ParseState::need_more;
  std::size_t left = 0;
  int status = 0;
};

Body decode_chunked(const std::string& encoded, std::size_t step, std::size_t room = 1u << 20,
                    std::uint64_t max_body = 1u << 20) {
  HttpParser parser;
  parser.begin_message();
  std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  REQUIRE(parser.read_head(head) == ParseState::done);
  Body body;
  std::string waiting;
  std::size_t at = 0;
  while (body.state == ParseState::need_more && at < encoded.size()) {
    waiting += encoded.substr(at, step);
    at += step;
    const auto read = parser.read_chunked(waiting, body.decoded, room, max_body);
    waiting.erase(0, read.consumed);
    body.state = read.state;
  }
  body.left = waiting.size();
  if (body.state == ParseState::refused) body.status = parser.refusal().status;
  return body;
}

}  // namespace

TEST_CASE("what is well formed is accepted, in one piece and byte by byte") {
  const std::vector<std::string> texts{
      "GET / HTTP/1.1\r\n" + kHost + "\r\n",
      "\r\nGET / HTTP/1.1\r\n" + kHost + "\r\n",  // RFC 9112 section 2.2
      "GET / HTTP/1.0\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\n" + kHost + "\r\n",
      "GET http://b.example/x HTTP/1.1\r\n" + kHost + "\r\n",
      "M-SEARCH /x HTTP/1.1\r\n" + kHost + "\r\n",
      "GET / HTTP/1.1\r\nHost:\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
      "GET / HTTP/1.1\r\n" + kHost + "X-Empty:\r\nX-Tab:\ta\tb \r\n\r\n",
      "GET / HTTP/1.1\r\n" + kHost + "X-Latin: caf\xe9\r\n\r\n",
      "GET / HTTP/1.1\r\n" + kHost + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
      "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 0\r\n\r\n",
      "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: Chunked\r\n\r\n",
      "POST / HTTP/1.1\r\n" + kHost + "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n",
      "GET / HTTP/1.0\r\nExpect: something\r\n\r\n",
  };
  for (const std::string& text : texts) {
    CAPTURE(text);
    CHECK(status_of(text) == 0);
    CHECK(status_in_pieces(text) == 0);
  }
}

TEST_CASE("what is malformed or ambiguous is refused with the right status") {
  const std::vector<Case> cases{
      {"bare LF after the request line", "GET / HTTP/1.1\n" + kHost + "\r\n", 400},
      {"bare LF after a header", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
      {"bare LF at the end", "GET / HTTP/1.1\r\n" + kHost + "\n", 400},
      {"bare CR in a value", "GET / HTTP/1.1\r\n" + kHost + "X: a\rb\r\n\r\n", 400},
      {"bare CR in the request line", "GET /\rx HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"folded header", "GET / HTTP/1.1\r\n" + kHost + "X: a\r\n b\r\n\r\n", 400},
      {"folded by tab", "GET / HTTP/1.1\r\n" + kHost + "X: a\r\n\tb\r\n\r\n", 400},
      {"folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
      {"space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
      {"tab before the colon", "GET / HTTP/1.1\r\n" + kHost + "X\t: a\r\n\r\n", 400},
      {"no colon", "GET / HTTP/1.1\r\n" + kHost + "X\r\n\r\n", 400},
      {"empty name", "GET / HTTP/1.1\r\n" + kHost + ": a\r\n\r\n", 400},
      {"NUL in a value", "GET / HTTP/1.1\r\n" + kHost + std::string("X: a\0b\r\n\r\n", 11), 400},
      {"NUL in a name", "GET / HTTP/1.1\r\n" + kHost + std::string("X\0Y: a\r\n\r\n", 11), 400},
      {"DEL in a value", "GET / HTTP/1.1\r\n" + kHost + "X: a\x7f\r\n\r\n", 400},
      {"control character in the target", "GET /\x01 HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"tab in the request line", "GET\t/ HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"two spaces", "GET  / HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"space at the end", "GET / HTTP/1.1 \r\n" + kHost + "\r\n", 400},
      {"a space in the target", "GET /a b HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"method is no token", "GE(T / HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"no method", " / HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"no target", "GET HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"HTTP/0.9", "GET /\r\n\r\n", 400},
      {"no HTTP", "GET / HTTQ/1.1\r\n" + kHost + "\r\n", 400},
      {"lower-case http", "GET / http/1.1\r\n" + kHost + "\r\n", 400},
      {"long version", "GET / HTTP/1.10\r\n" + kHost + "\r\n", 400},
      {"HTTP/0.9 in words", "GET / HTTP/0.9\r\n" + kHost + "\r\n", 505},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"TLS greeting", "\x16\x03\x01\x02", 400},
      {"empty lines only", "\r\n\r\n\r\n\r\n\r\n\r\n", 400},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", "GET / HTTP/1.1\r\n" + kHost + kHost + "\r\n", 400},
      {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" + kHost + kHost + "\r\n", 400},
      {"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
      {"Host with a bad port", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400},
      {"Host list", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {"open bracket in Host", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
      {"repeated Content-Length",
       "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
      {"conflicting Content-Length",
       "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
      {"Content-Length list", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 5, 5\r\n\r\n", 400},
      {"signed Content-Length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: +5\r\n\r\n", 400},
      {"negative Content-Length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: -1\r\n\r\n", 400},
      {"hexadecimal Content-Length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 0x5\r\n\r\n", 400},
      {"empty Content-Length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length:\r\n\r\n", 400},
      {"Content-Length of 2^64",
       "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 18446744073709551616\r\n\r\n", 400},
      {"Content-Length and chunked",
       "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"chunked and Content-Length",
       "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
      {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n", 400},
      {"gzip coding", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"chunked not last", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked, gzip\r\n\r\n", 400},
      {"chunked twice", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
      {"two lines of chunked",
       "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"identity", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: identity\r\n\r\n", 400},
      {"empty coding", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding:\r\n\r\n", 400},
      {"odd spelling", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: \"chunked\"\r\n\r\n", 400},
      {"misspelt", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: xchunked\r\n\r\n", 400},
      {"unknown expectation", "POST / HTTP/1.1\r\n" + kHost + "Expect: 200-ok\r\n\r\n", 417},
      {"malformed Connection", "GET / HTTP/1.1\r\n" + kHost + "Connection: a b\r\n\r\n", 400},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    CHECK(status_of(one.text) == one.status);
    CHECK(status_in_pieces(one.text) == one.status);
  }
}

TEST_CASE("what is larger than the limits is refused, what just fits is not") {
  const HeadLimits limits{200, 3};
  const auto with_target = [](std::size_t size) {
    return "GET /" + std::string(size, 'x') + " HTTP/1.1\r\n" + kHost + "\r\n";
  };
  const std::size_t fixed = with_target(0).size();
  CHECK(status_of(with_target(200 - fixed), limits) == 0);
  CHECK(status_of(with_target(201 - fixed), limits) == 431);
  CHECK(status_of(with_target(300), limits) == 414);
  CHECK(status_of("GET /" + std::string(300, 'x'), limits) == 414);
  CHECK(status_of("GET / HTTP/1.1\r\nX: " + std::string(300, 'x'), limits) == 431);
  CHECK(status_of("GET / HTTP/1.1\r\n" + kHost + "A: 1\r\nB: 2\r\n\r\n", limits) == 0);
  CHECK(status_of("GET / HTTP/1.1\r\n" + kHost + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits) == 431);
  std::string many = "GET / HTTP/1.1\r\n" + kHost;
  for (int i = 0; i < 100; ++i) many += "X: y\r\n";
  CHECK(status_of(many + "\r\n") == 431);
}

TEST_CASE("an incomplete head asks for more") {
  CHECK(status_of("") == -1);
  CHECK(status_of("GET") == -1);
  CHECK(status_of("GET / HTTP/1.1\r\nHost: a\r\n") == -1);
  CHECK(status_of("GET / HTTP/1.1\r\nHost: a\r\n\r") == -1);
}

TEST_CASE("header names are lower-cased, values trimmed, names with underscores left out") {
  HttpParser parser;
  parser.begin_message();
  std::string text =
      "PUT /p HTTP/1.1\r\nHOST: A\r\nX-Mixed-Case: \t Value \t\r\nX_Forwarded_For: "
      "1.2.3.4\r\nEmpty:\r\n\r\nrest";
  REQUIRE(parser.read_head(text) == ParseState::done);
  CHECK(parser.head_size() == text.size() - 4);
  const HttpRequest& request = parser.request();
  CHECK(request.method == "PUT");
  CHECK(request.target == "/p");
  REQUIRE(request.headers.size() == 3);
  CHECK(request.headers[0].name == "host");
  CHECK(request.headers[0].value == "A");
  CHECK(request.headers[1].name == "x-mixed-case");
  CHECK(request.headers[1].value == "Value");
  CHECK(request.headers[2].name == "empty");
  CHECK(request.headers[2].value.empty());
}

TEST_CASE("what has to be escaped in a target is refused, but for what browsers leave in a query") {
  const auto status_of = [](const std::string& target) {
    HttpParser parser;
    parser.begin_message();
    std::string text = "GET " + target + " HTTP/1.1\r\n" + kHost + "\r\n";
    return parser.read_head(text) == ParseState::done ? 200 : parser.refusal().status;
  };
  for (int c = 0; c < 256; ++c) {
    CAPTURE(c);
    const char letter = static_cast<char>(c);
    const bool in_path =
        c > 0x20 && c < 0x7f && std::string_view("\"<>\\^`{|}").find(letter) == std::string::npos;
    const bool in_query =
        in_path || (c != 0 && std::string_view("\\^`{|}").find(letter) != std::string::npos);
    CHECK((status_of(std::string("/a") + letter) == 200) == in_path);
    CHECK((status_of(std::string("/a?b=") + letter) == 200) == in_query);
  }
}

TEST_CASE("a later minor version is read as 1.1") {
  HttpParser parser;
  parser.begin_message();
  std::string text = "GET / HTTP/1.2\r\n" + kHost + "\r\n";
  REQUIRE(parser.read_head(text) == ParseState::done);
  CHECK_FALSE(parser.request().http10);
  CHECK(parser.request().keep_alive);
}

TEST_CASE("a chunk's line that can be none is refused before its end has come") {
  using enum ChunkPlace;
  for (const char* fine : {"", "5", "5;", "5;a=b", "5 ;a", "5\r", "5\r\n", "00000000000000ff", "0\r\nA: b"}) {
    CAPTURE(fine);
    CHECK_FALSE(is_broken_chunk_line(fine, first));
    CHECK_FALSE(is_broken_chunk_line("\r\n" + std::string(fine), follows));
  }
  for (const char* broken : {"x", "\r", "\n", ";", "5x", "5\n", "5\rx", "5;a\n", "5;a\rb", "0x5", "-1",
                             "00000000000000000", " 5"}) {
    CAPTURE(broken);
    CHECK(is_broken_chunk_line(broken, first));
    CHECK(is_broken_chunk_line("\r\n" + std::string(broken), follows));
  }
  CHECK_FALSE(is_broken_chunk_line("\r", follows));
  CHECK(is_broken_chunk_line("5", follows));
  CHECK(is_broken_chunk_line("\n", follows));
  CHECK(is_broken_chunk_line("5;" + std::string(5000, 'a'), first));
}

TEST_CASE("keep-alive follows version and Connection") {
  const auto keeps = [](std::string text) {
    HttpParser parser;
    parser.begin_message();
    REQUIRE(parser.read_head(text) == ParseState::done);
    return parser.request().keep_alive;
  };
  CHECK(keeps("GET / HTTP/1.1\r\n" + kHost + "\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.1\r\n" + kHost + "Connection: x, CLOSE\r\n\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.1\r\n" + kHost + "Connection: close, keep-alive\r\n\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  CHECK(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
}

TEST_CASE("a target is taken apart by its form") {
  const Target origin = split_target("GET", "/a/b?c=d?e");
  CHECK(origin.path == "/a/b");
  CHECK(origin.query == "c=d?e");
  CHECK(origin.authority.empty());
  const Target absolute = split_target("GET", "HTTP://b.example:81?q");
  CHECK(absolute.authority == "b.example:81");
  CHECK(absolute.path == "/");
  CHECK(absolute.query == "q");
  CHECK(split_target("OPTIONS", "*").path == "*");
  CHECK(split_target("GET", "*").refusal.status == 400);
  CHECK(split_target("GET", "a/b").refusal.status == 400);
  CHECK(split_target("GET", "ftp://a/").refusal.status == 400);
  CHECK(split_target("GET", "http:///x").refusal.status == 400);
  CHECK(split_target("GET", "http://u:p@a/").refusal.status == 400);
  CHECK(split_target("GET", "/a#b").refusal.status == 400);
  CHECK(split_target("CONNECT", "a:443").refusal.status == 501);
}

TEST_CASE("a chunked body is decoded however it is cut, and what follows it is left") {
  const std::string encoded =
      "4;name=value\r\nWiki\r\n6\r\npedia \r\nD\r\nin\r\n\r\nchunks.\r\n0\r\nX-T: 1\r\n\r\n";
  for (const std::size_t step : {1u, 2u, 3u, 7u, 1000u}) {
    CAPTURE(step);
    const Body body = decode_chunked(encoded, step);
    CHECK(body.state == ParseState::done);
    CHECK(body.decoded == "Wikipedia in\r\n\r\nchunks.");
    CHECK(body.left == 0);
  }
  CHECK(decode_chunked("0\r\n\r\nGET /", 1000).left == 5);
}

TEST_CASE("a chunked body is decoded only as far as there is room") {
  HttpParser parser;
  parser.begin_message();
  std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  REQUIRE(parser.read_head(head) == ParseState::done);
  std::string encoded = "a\r\n0123456789\r\n0\r\n\r\n";
  std::string out;
  auto read = parser.read_chunked(encoded, out, 4, 100);
  CHECK(out == "0123");
  CHECK(read.state == ParseState::need_more);
  encoded.erase(0, read.consumed);
  read = parser.read_chunked(encoded, out, 100, 100);
  CHECK(out == "0123456789");
  CHECK(read.state == ParseState::done);
  CHECK(read.consumed == encoded.size());
}

TEST_CASE("a malformed or oversized chunked body is refused") {
  const std::vector<Case> cases{
      {"no number", "x\r\n\r\n", 400},
      {"empty size", "\r\nabc", 400},
      {"0x prefix", "0x5\r\nhello\r\n0\r\n\r\n", 400},
      {"negative", "-5\r\nhello\r\n0\r\n\r\n", 400},
      {"plus", "+5\r\nhello\r\n0\r\n\r\n", 400},
      {"space before the size", " 5\r\nhello\r\n0\r\n\r\n", 400},
      {"overflow", "10000000000000005\r\nhello\r\n0\r\n\r\n", 400},
      {"bare LF after the size", "5\nhello\r\n0\r\n\r\n", 400},
      {"bare LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n", 400},
      {"no CRLF after the data", "5\r\nhelloX\r\n0\r\n\r\n", 400},
      {"LF after the data", "5\r\nhello\n0\r\n\r\n", 400},
      {"bad trailer", "0\r\nX Y: 1\r\n\r\n", 400},
      {"Content-Length as trailer", "0\r\nContent-Length: 3\r\n\r\n", 400},
      {"larger than allowed", "fffff0\r\n", 413},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    CHECK(decode_chunked(one.text, 1000).status == one.status);
    CHECK(decode_chunked(one.text, 1).status == one.status);
  }
  CHECK(decode_chunked("5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n", 1000, 1000, 9).status == 413);
  CHECK(decode_chunked("5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n", 1000, 1000, 10).status == 0);
}

TEST_CASE("a parser reads one message after the other") {
  HttpParser parser;
  std::string first = "GET /1 HTTP/1.1\r\nHost: a\r\nA: 1\r\n\r\n";
  std::string second = "POST /2 HTTP/1.0\r\nContent-Length: 3\r\n\r\n";
  parser.begin_message();
  REQUIRE(parser.read_head(first) == ParseState::done);
  CHECK_FALSE(parser.request().has_length);
  parser.begin_message();
  REQUIRE(parser.read_head(second) == ParseState::done);
  CHECK(parser.request().http10);
  CHECK(parser.request().content_length == 3);
  REQUIRE(parser.request().headers.size() == 1);
  CHECK(parser.request().headers[0].name == "content-length");
}
