#include "daemon/front/cgi/parser.h"
#include "tests/unit/front/cgi_wire.h"

#include <doctest/doctest.h>

#include <functional>
#include <random>

using namespace moult;
using namespace moult::cgi;
using namespace moult::test;

namespace {

struct Heard : Parser::Sink {
  void on_variables() override { told += "variables;"; }
  void on_body(std::string_view piece) override { body += piece; }
  void on_body_end() override { told += "end;"; }
  void on_abort() override { told += "abort;"; }
  void on_reply(std::string_view bytes) override { replies += bytes; }
  std::string told;
  std::string body;
  std::string replies;
};

using Make = std::function<std::unique_ptr<Parser>(Parser::Sink&)>;
const Make kWires[] = {make_fcgi_parser, make_scgi_parser, make_uwsgi_parser};

Pairs plain() {
  return {{"CONTENT_LENGTH", "11"},       {"REQUEST_METHOD", "POST"},
          {"REQUEST_URI", "/a%2Fb?c=d"},  {"SERVER_NAME", "example.org"},
          {"SERVER_PORT", "443"},         {"HTTPS", "on"},
          {"REMOTE_ADDR", "10.1.2.3"},    {"REMOTE_USER", "ann"},
          {"HTTP_ACCEPT_LANGUAGE", "de"}, {"HTTP_COOKIE", std::string(300, 'c')},
          {"CONTENT_TYPE", "text/plain"}, {"SSL_CLIENT_CERT", "-----BEGIN\nEND-----\n"}};
}

}  // namespace

TEST_CASE("a request is the same in whatever pieces it comes") {
  const std::string body = "hello world";
  const std::string requests[] = {fcgi_request(plain(), body, true, 7), scgi_request(plain(), body),
                                  uwsgi_request(plain(), body)};
  for (std::size_t wire = 0; wire < 3; ++wire) {
    const std::string& request = requests[wire];
    for (std::size_t split = 0; split < request.size(); ++split) {
      Heard heard;
      const auto parser = kWires[wire](heard);
      CHECK_FALSE(parser->has_started());
      REQUIRE_FALSE(parser->feed(std::string_view(request).substr(0, split)));
      REQUIRE_FALSE(parser->feed(std::string_view(request).substr(split)));
      REQUIRE(heard.told == "variables;end;");
      REQUIRE(heard.body == body);
      REQUIRE(parser->variables().find("REMOTE_USER") == "ann");
    }
    Heard heard;
    const auto parser = kWires[wire](heard);
    for (const char byte : request) REQUIRE_FALSE(parser->feed({&byte, 1}));
    CHECK(heard.told == "variables;end;");
    CHECK(parser->variables().find("HTTP_COOKIE").size() == 300);
  }
}

TEST_CASE("what the variables say of a request") {
  Variables variables;
  Pairs pairs = plain();
  pairs.emplace_back("HTTP_PROXY", "http://evil/");
  pairs.emplace_back("wsgi.url_scheme", "x");  // no name that a variable may have
  for (const auto& [name, value] : pairs) REQUIRE(variables.add(name, value));
  http::RequestHead head;
  http::Peer peer;
  REQUIRE_FALSE(variables.read(head, peer));
  CHECK(head.method == "POST");
  CHECK(head.target == "/a%2Fb?c=d");
  CHECK(head.content_length == 11);
  CHECK(peer.address == "10.1.2.3");
  CHECK(peer.local_host == "example.org");
  CHECK(peer.local_port == "443");
  CHECK(peer.https);
  std::string names;
  for (const lane::Header& header : head.headers) names += std::string(header.name) + " ";
  CHECK(names == "=REMOTE_USER accept-language cookie content-type =SSL_CLIENT_CERT proxy content-length ");
  CHECK(head.find("content-type")->value == "text/plain");
  CHECK(head.find("=REMOTE_USER")->value == "ann");
}

TEST_CASE("a target that no front server tells is made of CGI's parts") {
  Variables variables;
  for (const auto& [name, value] : Pairs{{"REQUEST_METHOD", "GET"},
                                         {"SCRIPT_NAME", "/shop"},
                                         {"PATH_INFO", "/a b/\xc3\xa4?"},
                                         {"QUERY_STRING", "q=1"}})
    REQUIRE(variables.add(name, value));
  http::RequestHead head;
  http::Peer peer;
  REQUIRE_FALSE(variables.read(head, peer));
  CHECK(head.target == "/shop/a%20b/%C3%A4%3F?q=1");
}

TEST_CASE("variables that say no request are refused") {
  const std::pair<Pairs, int> cases[] = {{{}, 400},
                                         {{{"REQUEST_METHOD", "GET"}, {"CONTENT_LENGTH", "1x"}}, 400},
                                         {{{"REQUEST_METHOD", "G T"}}, 400},
                                         {{{"REQUEST_METHOD", "GET"}, {"REQUEST_URI", "/a b"}}, 400},
                                         {{{"REQUEST_METHOD", "GET"}, {"HTTP_X", "a\r\nb"}}, 400}};
  for (const auto& [pairs, status] : cases) {
    Variables variables;
    for (const auto& [name, value] : pairs) REQUIRE(variables.add(name, value));
    http::RequestHead head;
    http::Peer peer;
    const auto refusal = variables.read(head, peer);
    REQUIRE(refusal);
    CHECK(refusal->status == status);
  }
}

TEST_CASE("more variables than a request may have are refused with 431") {
  const std::string big(50'000, 'v');
  Pairs two{{"CONTENT_LENGTH", "0"}, {"HTTP_A", big}, {"HTTP_B", big}};
  Pairs many{{"CONTENT_LENGTH", "0"}};
  for (int i = 0; i < 600; ++i) many.emplace_back("HTTP_N" + std::to_string(i), "");
  for (const Pairs& pairs : {two, many}) {
    const bool is_big = pairs.size() == 3;
    for (const std::string& request : {fcgi_request(pairs), is_big ? std::string() : scgi_request(pairs),
                                       is_big ? std::string() : uwsgi_request(pairs)}) {
      if (request.empty()) continue;
      Heard heard;
      const auto parser = kWires[request[0] == 1 ? 0 : request[0] == 0 ? 2 : 1](heard);
      const auto refusal = parser->feed(request);
      REQUIRE(refusal);
      CHECK(refusal->status == 431);
    }
  }
  Heard heard;
  const auto parser = make_scgi_parser(heard);
  const auto refusal = parser->feed("99999:");
  REQUIRE(refusal);
  CHECK(refusal->status == 431);
}

TEST_CASE("FastCGI: what is asked of the protocol is answered beside a request") {
  Heard heard;
  const auto parser = make_fcgi_parser(heard);
  const std::string begun = fcgi_begin(1, true) + fcgi_record(4, 1, fcgi_pairs({{"REQUEST_METHOD", "GET"}}));
  REQUIRE_FALSE(parser->feed(begun));
  SUBCASE("values") {
    REQUIRE_FALSE(parser->feed(fcgi_record(9, 0, fcgi_pairs({{"FCGI_MPXS_CONNS", ""}, {"X", ""}}))));
    const FcgiAnswer answer = read_fcgi(heard.replies);
    REQUIRE(answer.others.size() == 1);
    CHECK(answer.others[0] == "10" + fcgi_pairs({{"FCGI_MPXS_CONNS", "0"}}));
  }
  SUBCASE("an unknown type") {
    REQUIRE_FALSE(parser->feed(fcgi_record(77, 0, "whatever")));
    const FcgiAnswer answer = read_fcgi(heard.replies);
    REQUIRE(answer.others.size() == 1);
    CHECK(answer.others[0].substr(0, 3) == "11M");
  }
  SUBCASE("a second request") {
    REQUIRE_FALSE(parser->feed(fcgi_begin(2, true) + fcgi_stream(4, 2, "") + fcgi_stream(5, 2, "theirs")));
    CHECK(read_fcgi(heard.replies).end_status == 1);  // CANT_MPX_CONN
  }
  SUBCASE("an abort") {
    REQUIRE_FALSE(parser->feed(fcgi_record(2, 1, "")));
    CHECK(heard.told == "abort;");
  }
  REQUIRE_FALSE(parser->feed(fcgi_record(4, 1, "") + fcgi_stream(5, 1, "body") + fcgi_record(5, 1, "")));
  CHECK(heard.told.ends_with("variables;end;"));
  CHECK(heard.body == "body");
}

TEST_CASE("FastCGI: other roles are refused, and the next request is served") {
  Heard heard;
  const auto parser = make_fcgi_parser(heard);
  REQUIRE_FALSE(parser->feed(fcgi_begin(1, true, 2)));
  CHECK(read_fcgi(heard.replies).end_status == 3);  // UNKNOWN_ROLE
  REQUIRE_FALSE(parser->feed(fcgi_request({{"REQUEST_METHOD", "GET"}})));
  CHECK(heard.told == "variables;end;");
}

TEST_CASE("what is none of the protocol is refused") {
  const std::pair<int, std::string> cases[] = {{0, "GET / HTTP/1.1\r\n\r\n"},
                                               {0, fcgi_record(1, 1, "short")},
                                               {0, fcgi_begin(1, false) + fcgi_stream(4, 1, "\x05")},
                                               {1, "GET / HTTP/1.1\r\n\r\n"},
                                               {1, "12345678:"},
                                               {1, "3:abc;"},
                                               {1, "3:abc,"},
                                               {2, std::string("\x05\x01\x00\x00", 4)},
                                               {2, std::string("\x00\x01\x00\x00\x07", 5)}};
  for (const auto& [wire, bytes] : cases) {
    Heard heard;
    const auto parser = kWires[wire](heard);
    CAPTURE(bytes);
    const auto refusal = parser->feed(bytes);
    REQUIRE(refusal);
    CHECK(refusal->status == 400);
    CHECK(heard.told.empty());
  }
}

TEST_CASE("an answer is framed in records of a size that they can have") {
  Heard heard;
  const auto parser = make_fcgi_parser(heard);
  REQUIRE_FALSE(parser->feed(fcgi_begin(258, true)));
  const std::string data(150'001, 'd');
  std::string out;
  parser->append_data(out, data);
  parser->append_end(out);
  const FcgiAnswer answer = read_fcgi(out);
  CHECK(answer.is_whole);
  CHECK(answer.stdout_text == data);
  CHECK(answer.ends == 1);
  CHECK(answer.end_status == 0);
  CHECK(out.size() % 8 == 0);
}

TEST_CASE("whatever comes, a parser ends neither itself nor its bounds") {
  std::mt19937 random(3);
  const std::string seeds[] = {fcgi_request(plain(), "hello world", true, 50),
                               scgi_request(plain(), "hello world"), uwsgi_request(plain(), "hello world")};
  for (int round = 0; round < 30'000; ++round) {
    const std::size_t wire = random() % 3;
    std::string bytes = seeds[wire];
    for (unsigned flips = 1 + random() % 8; flips > 0; --flips)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    Heard heard;
    const auto parser = kWires[wire](heard);
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 40, rest.size());
      if (parser->feed(rest.substr(0, size))) break;
      rest.remove_prefix(size);
    }
    http::RequestHead head;
    http::Peer peer;
    parser->variables().read(head, peer);
    REQUIRE(heard.body.size() <= bytes.size());
  }
}
