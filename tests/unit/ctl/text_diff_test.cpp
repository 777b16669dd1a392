#include "control/ctl/text_diff.h"

#include <doctest/doctest.h>

#include <random>
#include <sstream>
#include <vector>

using namespace moult::ctl;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  return lines;
}

// What a strict patch(1) makes of `before`: each kept or removed line must be there, at the number that
// the hunk says.
std::string patched(const std::string& before, const std::string& hunks) {
  const std::vector<std::string> old_lines = lines_of(before);
  std::vector<std::string> patch = lines_of(hunks);
  for (std::size_t i = 1; i < patch.size(); ++i) {
    if (patch[i].starts_with('\\')) patch[i - 1].pop_back();
  }
  std::erase_if(patch, [](const std::string& line) { return line.starts_with('\\'); });
  std::string after;
  std::size_t at = 0;
  std::size_t written = 0;
  for (std::size_t i = 0; i < patch.size();) {
    std::size_t start[2] = {0, 0};
    std::size_t count[2] = {1, 1};
    std::istringstream head(patch[i++]);
    std::string word;
    for (int side = 0; side < 2; ++side) {
      head >> word >> std::ws;
      if (side == 0) head >> word;
      std::sscanf(word.c_str() + 1, "%zu,%zu", &start[side], &count[side]);
    }
    const std::size_t first = start[0] - (count[0] == 0 ? 0 : 1);
    for (; at < first; ++at, ++written) after += old_lines.at(at);
    REQUIRE(written == start[1] - (count[1] == 0 ? 0 : 1));
    for (; count[0] + count[1] > 0; ++i) {
      const char sign = patch.at(i).at(0);
      const std::string line = patch[i].substr(1);
      if (sign != '+') {
        REQUIRE(old_lines.at(at++) == line);
        --count[0];
      }
      if (sign != '-') {
        after += line;
        ++written;
        --count[1];
      }
    }
  }
  for (; at < old_lines.size(); ++at) after += old_lines[at];
  return after;
}

// The fewest lines that must go or come.
std::size_t distance(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::vector<std::size_t>> common(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) {
      common[i + 1][j + 1] = a[i] == b[j] ? common[i][j] + 1 : std::max(common[i][j + 1], common[i + 1][j]);
    }
  }
  return a.size() + b.size() - 2 * common[a.size()][b.size()];
}

}  // namespace

TEST_CASE("a diff has the lines around a change, and each change on its own when they are far apart") {
  std::string before;
  for (int i = 1; i <= 20; ++i) before += std::to_string(i) + "\n";
  std::string after = before;
  after.replace(after.find("\n4\n"), 3, "\nfour\n");
  after.replace(after.find("\n18\n"), 4, "\n");
  const TextDiff diff = diff_texts(before, after);
  CHECK(diff.hunks ==
        "@@ -1,7 +1,7 @@\n 1\n 2\n 3\n-4\n+four\n 5\n 6\n 7\n"
        "@@ -15,6 +15,5 @@\n 15\n 16\n 17\n-18\n 19\n 20\n");
  CHECK(diff.added == 1);
  CHECK(diff.removed == 2);
}

TEST_CASE("new and removed files, and lines without a newline, are shown as diff(1) does") {
  CHECK(diff_texts("", "a\nb\n").hunks == "@@ -0,0 +1,2 @@\n+a\n+b\n");
  CHECK(diff_texts("a\n", "").hunks == "@@ -1 +0,0 @@\n-a\n");
  CHECK(diff_texts("a\nb", "a\nb\n").hunks == "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n");
  CHECK(diff_texts("same\n", "same\n").hunks.empty());
  CHECK(diff_texts("", "").hunks.empty());
}

TEST_CASE("a diff applied to the old text gives the new one, and is no longer than it must be") {
  std::mt19937 random(7);  // NOLINT: the same texts each time
  for (int round = 0; round < 2000; ++round) {
    const unsigned words = 2 + random() % 6;
    const auto text = [&] {
      std::string lines;
      for (auto count = random() % 30; count > 0; --count) lines += std::to_string(random() % words) + "\n";
      if (random() % 4 == 0 && !lines.empty()) lines.pop_back();
      return lines;
    };
    const std::string before = text();
    const std::string after = text();
    const TextDiff diff = diff_texts(before, after);
    CAPTURE(before);
    CAPTURE(after);
    REQUIRE(patched(before, diff.hunks) == after);
    REQUIRE(diff.added + diff.removed == distance(lines_of(before), lines_of(after)));
  }
}

TEST_CASE("two large texts that have nothing in common are compared all the same") {
  std::string before;
  std::string after;
  for (int i = 0; i < 20'000; ++i) {
    before += "old " + std::to_string(i) + "\n";
    after += "new " + std::to_string(i) + "\n";
  }
  const TextDiff diff = diff_texts(before, after);
  CHECK(patched(before, diff.hunks) == after);
}

TEST_CASE("what is no text gets no diff, and is said to be none") {
  CHECK(reason_for_no_diff("# \xC3\xA9\n").empty());
  CHECK(reason_for_no_diff("").empty());
  CHECK(reason_for_no_diff("# \xE9\n") == "no UTF-8 text");
  CHECK(reason_for_no_diff(std::string_view("a\0b", 3)) == "no UTF-8 text");
  CHECK(reason_for_no_diff(std::string(kDiffedMax + 1, 'x')) == "larger than 2 MiB");
}
