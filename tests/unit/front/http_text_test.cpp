#include "daemon/front/http_text.h"

#include <doctest/doctest.h>

using namespace moult::http;

TEST_CASE("numbers are digits that fit") {
  CHECK(parse_decimal("0") == 0u);
  CHECK(parse_decimal("18446744073709551615") == 18446744073709551615u);
  CHECK_FALSE(parse_decimal("18446744073709551616"));
  CHECK_FALSE(parse_decimal(""));
  CHECK_FALSE(parse_decimal("1 "));
  CHECK_FALSE(parse_decimal("-1"));
}

TEST_CASE("percent escapes are decoded once; bad ones and NUL are errors") {
  const auto decoded = [](std::string_view text) {
    std::string out;
    return append_percent_decoded(out, text) ? out : "error";
  };
  CHECK(decoded("a%20b%2Fc%e4") == "a b/c\xe4");
  CHECK(decoded("%2541") == "%41");
  CHECK(decoded("%") == "error");
  CHECK(decoded("%1") == "error");
  CHECK(decoded("%g0") == "error");
  CHECK(decoded("%00") == "error");
}

TEST_CASE("list elements are trimmed and empty ones skipped") {
  std::string_view list = " a , ,b,";
  CHECK(next_element(list) == "a");
  CHECK(next_element(list) == "b");
  CHECK_FALSE(next_element(list));
}

TEST_CASE("authorities are taken apart or refused") {
  CHECK(parse_authority("a.example:80")->host == "a.example");
  CHECK(parse_authority("a.example:80")->port == "80");
  CHECK(parse_authority("[::1]")->host == "[::1]");
  CHECK(parse_authority("")->host.empty());
  CHECK(parse_authority("a:")->port.empty());
  for (const char* text : {"a:b", "a:123456", "[::1", "[]", "[x]", "a/b", "a b", "u@a", "a:1:2", "[::1]x"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_authority(text));
  }
}
