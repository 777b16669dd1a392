#include "ipc/base/json.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <random>
#include <string>

using namespace moult;
using Json = nlohmann::json;

namespace {

std::string nested(std::size_t depth, char open = '[', char close = ']') {
  return std::string(depth, open) + std::string(depth, close);
}

unsigned depth_of(const Json& json) {
  unsigned deepest = 0;
  if (!json.is_structured()) return 0;
  for (const Json& item : json) deepest = std::max(deepest, depth_of(item));
  return deepest + 1;
}

}  // namespace

TEST_CASE("JSON is read down to 64 levels, and no deeper") {
  CHECK(parse_json(nested(64)));
  CHECK_FALSE(parse_json(nested(65)));
  CHECK(parse_json(nested(65)).error().message == "JSON that is nested deeper than 64 levels");
  CHECK(parse_json_or_discard(nested(64)).is_array());
  CHECK(parse_json_or_discard(nested(65)).is_discarded());
  std::string objects = "1";
  for (int i = 0; i < 65; ++i) objects = R"({"a":)" + objects + "}";
  CHECK_FALSE(parse_json(objects));
}

TEST_CASE("a million brackets are refused without a stack for them") {
  for (const std::string& text : {nested(1 << 20), std::string(1 << 20, '['), std::string(1 << 20, '{'),
                                  R"({"a":)" + nested(1 << 19) + "}"}) {
    CHECK_FALSE(parse_json(text));
    CHECK(parse_json_or_discard(text).is_discarded());
  }
}

TEST_CASE("brackets in texts and beside each other are no depth") {
  const std::string in_text = R"(["\"[[[[[\\",")" + std::string(1000, '[') + R"("])";
  CHECK(parse_json(in_text));
  std::string beside = "[";
  for (int i = 0; i < 1000; ++i) beside += "[],";
  CHECK(parse_json(beside + "[]]"));
}

TEST_CASE("an error of the text has its byte") {
  CHECK(parse_json("[1,]").error().message == "no JSON: byte 4");
  CHECK_FALSE(parse_json("1e999"));
  CHECK_FALSE(parse_json(""));
}

TEST_CASE("whatever the text, what was read is at most 64 levels deep") {
  std::mt19937 random(20261130);
  constexpr std::string_view kPieces[] = {"[", "[[[[", "{\"a\":", "]",  "]]",    "}", ",",
                                          "1", "\"",   "\\\"",    "\\", "\"[\"", " "};
  int read = 0;
  for (int round = 0; round < 20'000; ++round) {
    const auto depth = static_cast<std::size_t>(random() % 90);
    std::string text = nested(depth);
    for (unsigned changes = random() % 3; changes > 0; --changes) {
      const std::string_view piece = kPieces[random() % std::size(kPieces)];
      text.insert(random() % (text.size() + 1), piece);
    }
    const auto json = parse_json(text);
    if (!json) continue;
    ++read;
    CHECK(depth_of(*json) <= kJsonDepthMax);
    CHECK_FALSE(is_json_too_deep(text));
  }
  CHECK(read > 1000);
}
