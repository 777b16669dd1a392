#include "control/ctl/human.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace moult::ctl;

TEST_CASE("bytes, seconds and numbers are short for people") {
  CHECK(human_bytes(0) == "0B");
  CHECK(human_bytes(1023) == "1023B");
  CHECK(human_bytes(1024) == "1.0K");
  CHECK(human_bytes(17301504) == "16.5M");
  CHECK(human_bytes(150.0 * (1 << 20)) == "150M");
  CHECK(human_bytes(1023.9 * (1 << 20)) == "1.0G");
  CHECK(human_seconds(0.0004) == "0.4ms");
  CHECK(human_seconds(0.038) == "38ms");
  CHECK(human_seconds(0.9996) == "1.0s");
  CHECK(human_seconds(12.4) == "12s");
  CHECK(human_seconds(59.7) == "1m00s");
  CHECK(human_seconds(3725) == "1h02m");
  CHECK(human_seconds(183600) == "2d3h");
  CHECK(human_seconds(0) == "0s");
  CHECK(human_seconds(-1) == "0s");
  CHECK(human_number(0) == "0");
  CHECK(human_number(11.42) == "11.4");
  CHECK(human_number(103000) == "103k");
}

TEST_CASE("times show how long ago they were, other text stays") {
  Look look;
  look.now = *parse_rfc3339("2026-11-21T12:00:00Z");
  CHECK(human_time("2026-11-21T11:59:57.500Z", look) == "2026-11-21 11:59:57Z (3s ago)");
  CHECK(human_time("2026-11-21T12:00:00.000Z", look) == "2026-11-21 12:00:00Z (just now)");
  CHECK(human_time("2026-11-21T12:30:00Z", look) == "2026-11-21 12:30:00Z");
  CHECK(human_time("soon", look) == "soon");
  CHECK_FALSE(parse_rfc3339("2026-11-21 11:59:57"));
  CHECK_FALSE(parse_rfc3339("2026-11-21T11:59:57+01:00"));
}

TEST_CASE("cutting counts characters and leaves them whole") {
  CHECK(cut("abc", 3) == "abc");
  CHECK(cut("abcd", 3) == "ab…");
  CHECK(cut("äöüß", 3) == "äö…");
  CHECK(cut("abc", 0).empty());
  CHECK(display_width("äö") == 2);
}

TEST_CASE("control characters are replaced, text in any script stays") {
  CHECK(printable("a\tb\n") == "a\tb\n");
  CHECK(printable("\x1b[0m") == "\xEF\xBF\xBD[0m");
  CHECK(printable("\xC2\x9B"
                  "0m") ==
        "\xEF\xBF\xBD"
        "0m");
  CHECK(printable("grüße, 你好") == "grüße, 你好");
}

TEST_CASE("indenting leaves empty lines empty") {
  CHECK(indent("a\n\nb", "  ") == "  a\n\n  b\n");
  CHECK(moult::count_of(1, "app") == "1 app");
  CHECK(moult::count_of(0, "app") == "0 apps");
}
