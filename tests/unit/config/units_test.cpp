#include "daemon/config/units.h"

#include "daemon/config/config.h"

#include <doctest/doctest.h>

using namespace moult;

TEST_CASE("durations have a unit or are seconds") {
  CHECK(parse_duration("250ms") == Milliseconds(250));
  CHECK(parse_duration("5s") == Milliseconds(5000));
  CHECK(parse_duration("1.5s") == Milliseconds(1500));
  CHECK(parse_duration("2min") == Milliseconds(120'000));
  CHECK(parse_duration("1 h") == Milliseconds(3'600'000));
  CHECK(parse_duration("3") == Milliseconds(3000));
  CHECK(parse_duration("0") == Milliseconds(0));
}

TEST_CASE("a text that is no duration is refused with an example") {
  for (const char* text : {"", "s", "5m", "5 sec", "-1s", "1e3s", "1..5s", "5s ", "1h30min", "9999999999h"}) {
    CAPTURE(text);
    const auto result = parse_duration(text);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::config_invalid);
    CHECK(result.error().hint.find("5s") != std::string::npos);
  }
}

TEST_CASE("sizes take binary and decimal units in any case") {
  CHECK(parse_size("512") == 512u);
  CHECK(parse_size("64MiB") == 64u << 20);
  CHECK(parse_size("64mib") == 64u << 20);
  CHECK(parse_size("64M") == 64u << 20);
  CHECK(parse_size("10kB") == 10'000u);
  CHECK(parse_size("1.5 GiB") == 3u << 29);
  for (const char* text : {"", "MiB", "5 apples", "-5", "5KiBs", "99999999TiB"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_size(text));
  }
}

TEST_CASE("what is written is read back as the same value") {
  for (const int count : {0, 1, 999, 1000, 1500, 60'000, 90'000, 3'600'000, 86'400'000}) {
    CHECK(parse_duration(duration_text(Milliseconds(count))) == Milliseconds(count));
  }
  CHECK(duration_text(Milliseconds(90'000)) == "90s");
  CHECK(duration_text(Milliseconds(120'000)) == "2min");
  for (const std::uint64_t bytes : {0ull, 1ull, 1000ull, 1024ull, 64ull << 20, (64ull << 20) + 1}) {
    CHECK(parse_size(size_text(bytes)) == bytes);
  }
  CHECK(size_text(64u << 20) == "64MiB");
}

TEST_CASE("strings and keys are quoted as TOML asks") {
  CHECK(toml_string("a\"b\\c\n") == "\"a\\\"b\\\\c\\n\"");
  CHECK(toml_list({"a", "b c"}) == "[\"a\", \"b c\"]");
  CHECK(toml_key("LANG") == "LANG");
  CHECK(toml_key("/static/") == "\"/static/\"");
  CHECK(toml_key("") == "\"\"");
}

TEST_CASE("the nearest word is found by its typing error") {
  const std::vector<std::string> keys{"threads", "tree", "reload", "routes", "drain_timeout"};
  CHECK(nearest("thread", keys) == "threads");
  CHECK(nearest("treads", keys) == "threads");
  CHECK(nearest("raod", keys) == "");
  CHECK(nearest("relaod", keys) == "reload");
  CHECK(nearest("Drain-Timeout", keys) == "drain_timeout");
  CHECK(nearest("colour", keys) == "");
  CHECK(nearest("", keys) == "");
}
