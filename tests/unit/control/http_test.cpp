#include "control/http.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace moult;
using namespace moult::control;

TEST_CASE("the first byte tells HTTP from JSON") {
  CHECK(looks_like_http("GET / HTTP/1.1"));
  CHECK(looks_like_http("P"));
  CHECK_FALSE(looks_like_http("{\"jsonrpc\""));
  CHECK_FALSE(looks_like_http(" {"));
  CHECK_FALSE(looks_like_http(""));
}

TEST_CASE("GETs map to reading methods") {
  const HttpRequest list = parse_http("GET /v1/apps?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(list.status == 200);
  CHECK(list.method == "list");
  const HttpRequest one = parse_http("GET /v1/apps/blog HTTP/1.1\r\n\r\n");
  CHECK(one.method == "status");
  CHECK((*one.params)["app"] == "blog");
  CHECK(parse_http("GET /v1/apps/blog/generations HTTP/1.0\r\n\r\n").method == "generations");
  CHECK(parse_http("GET /v1/status HTTP/1.1\r\n\r\n").method == "status");
}

TEST_CASE("other methods and paths are refused") {
  CHECK(parse_http("POST /v1/apps HTTP/1.1\r\n\r\n").status == 405);
  CHECK(parse_http("HEAD /v1/apps HTTP/1.1\r\n\r\n").status == 405);
  CHECK(parse_http("GET /v1/reload HTTP/1.1\r\n\r\n").status == 404);
  CHECK(parse_http("GET / HTTP/1.1\r\n\r\n").status == 404);
  CHECK(parse_http("GET\r\n\r\n").status == 400);
  CHECK(parse_http("Hello there you\r\n\r\n").status == 400);
}

TEST_CASE("a response says its length, and which method is allowed") {
  const std::string response = http_response(405, "{}");
  CHECK(response.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
  CHECK(response.find("Content-Length: 2\r\n") != std::string::npos);
  CHECK(response.find("Allow: GET\r\n") != std::string::npos);
  CHECK(response.ends_with("\r\n\r\n{}"));
  CHECK(http_response(200, "").find("Allow") == std::string::npos);
}
