#include "interp/gateway/wsgi/header_rules.h"

#include <doctest/doctest.h>

#include <string>

using namespace moult;

TEST_CASE("a status is three digits and a reason that may be missing") {
  const auto ok = parse_status("200 OK");
  REQUIRE(ok);
  CHECK(ok->code == 200);
  CHECK(ok->reason == "OK");
  CHECK(parse_status("204")->reason.empty());
  CHECK(parse_status("404 Not Found")->reason == "Not Found");
  CHECK(parse_status("999 \xe9t\xe9")->code == 999);
}

TEST_CASE("what is no final status line is refused") {
  for (const char* text :
       {"", "20", "2000", "200OK", "abc OK", "+20 OK", "100 Continue", "199 x", "200 a\r\nb", " 200 OK"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_status(text));
  }
}

TEST_CASE("header names are tokens") {
  CHECK(is_token("X-Forwarded_For.1"));
  for (const char* name : {"", "a b", "a:", "a\n", "caf\xe9", "a(b)", "\"a\""}) {
    CAPTURE(name);
    CHECK_FALSE(is_token(name));
  }
}

TEST_CASE("header values have no control characters but the tab") {
  CHECK(is_field_value("a\tb; c=\"d\" \xe9"));
  CHECK(is_field_value(""));
  CHECK_FALSE(is_field_value("a\r\nb"));
  CHECK_FALSE(is_field_value("a\nb"));
  CHECK_FALSE(is_field_value(std::string_view("a\0b", 3)));
  CHECK_FALSE(is_field_value("a\x7f"));
}

TEST_CASE("the connection's own headers are known in any case") {
  for (const char* name : {"Connection", "TRANSFER-ENCODING", "keep-alive", "Status", "te"})
    CHECK(is_hop_by_hop(name));
  for (const char* name : {"Content-Length", "Conn", "ten", "x-status"}) CHECK_FALSE(is_hop_by_hop(name));
}

TEST_CASE("a length is digits only and fits 64 bits") {
  CHECK(parse_length("0") == 0u);
  CHECK(parse_length("18446744073709551615") == UINT64_MAX);
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "1,1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_length(text));
  }
}
