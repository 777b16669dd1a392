#include "daemon/config/config.h"

#include <doctest/doctest.h>

using namespace moult;

TEST_CASE("an address is a numeric host or localhost with a port") {
  const auto v4 = parse_listen("127.0.0.1:8000");
  REQUIRE(v4);
  CHECK(v4->host == "127.0.0.1");
  CHECK(v4->port == 8000);
  CHECK(to_string(*v4) == "127.0.0.1:8000");
  const auto v6 = parse_listen("[::1]:80");
  REQUIRE(v6);
  CHECK(v6->host == "::1");
  CHECK(to_string(*v6) == "[::1]:80");
  CHECK(parse_listen("localhost:0"));
}

TEST_CASE("a unix address has a path, and is its user's alone") {
  const auto address = parse_listen("unix:/run/moult/app.sock");
  REQUIRE(address);
  CHECK(address->is_unix());
  CHECK(address->mode == 0600);
  CHECK(to_string(*address) == "unix:/run/moult/app.sock");
  const auto too_long = parse_listen("unix:/" + std::string(107, 'x'));
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().message.find("108 bytes") != std::string::npos);
  CHECK(parse_listen("unix:/" + std::string(106, 'x')));
}

TEST_CASE("what cannot be listened on is refused with a hint") {
  for (const char* text :
       {"", "8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80x",
        "example.org:80", "http://127.0.0.1:80", "::1:80", "[127.0.0.1]:80", "256.1.1.1:80", "unix:"}) {
    CAPTURE(text);
    const auto result = parse_listen(text);
    REQUIRE_FALSE(result);
    CHECK_FALSE(result.error().hint.empty());
  }
  CHECK(parse_listen("*:8000").error().hint.find("0.0.0.0:8000") != std::string::npos);
}

TEST_CASE("a route is a host, a path, or both") {
  CHECK(parse_route("/") == RoutePattern{"", ""});
  CHECK(parse_route("/shop") == RoutePattern{"", "/shop"});
  CHECK(parse_route("/shop/") == RoutePattern{"", "/shop"});
  CHECK(parse_route("Example.ORG") == RoutePattern{"example.org", ""});
  CHECK(parse_route("example.org/a/b") == RoutePattern{"example.org", "/a/b"});
  CHECK(parse_route("*/shop") == RoutePattern{"", "/shop"});
}

TEST_CASE("a route has no port, pattern, query or odd segment") {
  for (const char* text : {"", "http://example.org/", "example.org:80/x", "*.example.org", "/a b", "/a?b",
                           "/a#b", "/a//b", "/a/../b", "/./a", "/a%20b", "/a/*", "exa mple.org"}) {
    CAPTURE(text);
    const auto result = parse_route(text);
    REQUIRE_FALSE(result);
    CHECK_FALSE(result.error().hint.empty());
  }
}

TEST_CASE("what is spoken stands before an address, and HTTP need not") {
  const std::pair<const char*, Wire> cases[] = {{"fcgi:unix:/run/a.sock", Wire::fcgi},
                                                {"scgi:127.0.0.1:9000", Wire::scgi},
                                                {"uwsgi:[::1]:9000", Wire::uwsgi}};
  for (const auto& [text, wire] : cases) {
    const auto address = parse_listen(text);
    REQUIRE(address);
    CHECK(address->wire == wire);
    CHECK(to_string(*address) == text);
  }
  CHECK(parse_listen("http:127.0.0.1:80")->wire == Wire::http);
  CHECK(to_string(*parse_listen("http:127.0.0.1:80")) == "127.0.0.1:80");
  CHECK_FALSE(parse_listen("fcgi:"));
  CHECK_FALSE(parse_listen("fcgi://127.0.0.1:9000"));
  CHECK_FALSE(parse_listen("http://127.0.0.1:9000"));
  CHECK(parse_listen("ajp:127.0.0.1:8009").error().message ==
        "\"ajp:127.0.0.1:8009\": AJP is not spoken here");
}
