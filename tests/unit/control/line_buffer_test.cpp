#include "control/line_buffer.h"

#include <doctest/doctest.h>

#include <vector>

using namespace moult::control;

TEST_CASE("lines come out whole however the bytes arrive") {
  const std::string text = "one\ntwo\r\n\nthree\n";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    LineBuffer buffer(100);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      buffer.add(std::string_view(text).substr(at, piece));
      while (auto line = buffer.next()) lines.push_back(*line);
    }
    CHECK(lines == std::vector<std::string>{"one", "two", "", "three"});
    CHECK(buffer.is_empty());
    CHECK_FALSE(buffer.is_too_long());
  }
}

TEST_CASE("a line may be as long as the limit and no longer") {
  LineBuffer exact(4);
  exact.add("1234\n");
  CHECK(exact.next() == "1234");
  LineBuffer ended(4);
  ended.add("ok\n12345\n");
  CHECK(ended.next() == "ok");
  CHECK_FALSE(ended.next());
  CHECK(ended.is_too_long());
  LineBuffer open(4);
  open.add("12345");
  CHECK_FALSE(open.next());
  CHECK(open.is_too_long());
}

TEST_CASE("the rest of an unfinished line stays") {
  LineBuffer buffer(10);
  buffer.add("a\nbc");
  CHECK(buffer.next() == "a");
  CHECK_FALSE(buffer.next());
  CHECK(buffer.rest() == "bc");
  CHECK_FALSE(buffer.is_empty());
}
