#include "daemon/hosts/output_lines.h"

#include <doctest/doctest.h>

#include <vector>

using namespace moult;

namespace {

constexpr SteadyTime at(int milliseconds) { return SteadyTime(Milliseconds(1000 + milliseconds)); }

using Lines = std::vector<std::string>;

Lines lines_of(std::string_view text, std::size_t piece) {
  Lines lines;
  OutputLines output;
  const auto sink = [&](std::string_view line) { lines.emplace_back(line); };
  for (std::size_t from = 0; from < text.size(); from += piece)
    output.feed(text.substr(from, piece), at(0), sink);
  output.end(at(0), sink);
  return lines;
}

}  // namespace

TEST_CASE("the pieces that output comes in make no difference") {
  std::string text = "one\n\ntwo\n";
  text += std::string(4096, 'a') + "\n" + std::string(4097, 'b') + "\n" + std::string(9000, 'c') + "\nend";
  const Lines expected{"one",
                       "",
                       "two",
                       std::string(4096, 'a'),
                       std::string(4096, 'b'),
                       "b",
                       std::string(4096, 'c'),
                       std::string(4096, 'c'),
                       std::string(808, 'c'),
                       "end"};
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, std::size_t{100'000}})
    CHECK(lines_of(text, piece) == expected);
}

TEST_CASE("lines beyond the allowance are dropped and counted, and later ones pass again") {
  OutputLines output;
  std::size_t passed = 0;
  const auto sink = [&](std::string_view) { ++passed; };
  std::string flood;
  for (int i = 0; i < 5000; ++i) flood += "y\n";
  output.feed(flood, at(0), sink);
  CHECK(passed == 2000);
  CHECK(output.take_dropped() == 3000);
  CHECK_FALSE(output.has_dropped());
  output.feed("y\n", at(0), sink);
  CHECK(output.take_dropped() == 1);
  output.feed(flood, at(500), sink);
  CHECK(passed == 2500);
  CHECK(output.take_dropped() == 4500);
  output.feed(flood, at(60'000), sink);  // a pause is not saved up
  CHECK(passed == 4500);
}

TEST_CASE("an allowance of a few things lasts for two seconds of them") {
  Allowance allowance(50);
  int taken = 0;
  for (int i = 0; i < 1000; ++i) taken += allowance.take(at(0)) ? 1 : 0;
  CHECK(taken == 100);
  for (int i = 0; i < 1000; ++i) taken += allowance.take(at(i)) ? 1 : 0;
  CHECK(taken == 149);
  CHECK(allowance.take_dropped() == 1851);
}
