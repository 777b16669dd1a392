#include "control/ctl/text_diff.h"

#include <dtl/dtl.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <vector>

namespace moult::ctl {

namespace {

constexpr std::size_t kContext = 3;

using Line = std::string_view;  // with its newline, which the last one may lack

std::vector<Line> lines_of(std::string_view text) {
  std::vector<Line> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::size_t length = end == std::string_view::npos ? text.size() : end + 1;
    lines.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return lines;
}

// A line that stays (' '), goes ('-') or comes ('+').
struct Step {
  char sign;
  Line line;
};

// What goes stands before what comes in its place, whatever order it was found in.
std::vector<Step> steps_between(std::string_view before, std::string_view after) {
  dtl::Diff<Line> diff(lines_of(before), lines_of(after));
  diff.onHuge();  // bounds its memory, and its time with it
  diff.compose();
  std::vector<Step> steps;
  std::vector<Step> coming;
  const auto flush = [&] {
    steps.insert(steps.end(), coming.begin(), coming.end());
    coming.clear();
  };
  for (const auto& [line, info] : diff.getSes().getSequence()) {
    if (info.type == dtl::SES_ADD) {
      coming.push_back({'+', line});
      continue;
    }
    if (info.type == dtl::SES_COMMON) flush();
    steps.push_back({info.type == dtl::SES_DELETE ? '-' : ' ', line});
  }
  flush();
  return steps;
}

// As diff(1) has it: without ",1", and a range without lines names the line before it.
std::string range(std::size_t lines_before, std::size_t count) {
  if (count == 1) return fmt::format("{}", lines_before + 1);
  return fmt::format("{},{}", count == 0 ? lines_before : lines_before + 1, count);
}

// Lines that were passed, in the old and the new text.
struct Passed {
  std::size_t before = 0;
  std::size_t after = 0;
  void pass(const Step& step) {
    if (step.sign != '+') ++before;
    if (step.sign != '-') ++after;
  }
};

std::string hunk_of(const std::vector<Step>& steps, std::size_t first, std::size_t end,
                    const Passed& passed) {
  Passed here = passed;
  std::string lines;
  for (std::size_t i = first; i < end; ++i) {
    here.pass(steps[i]);
    lines += steps[i].sign;
    lines += steps[i].line;
    if (!steps[i].line.ends_with('\n')) lines += "\n\\ No newline at end of file\n";
  }
  return fmt::format("@@ -{} +{} @@\n{}", range(passed.before, here.before - passed.before),
                     range(passed.after, here.after - passed.after), lines);
}

}  // namespace

TextDiff diff_texts(std::string_view before, std::string_view after) {
  const std::vector<Step> steps = steps_between(before, after);
  TextDiff result;
  Passed passed;
  std::size_t at = 0;  // the first step that no hunk has and that was not passed
  for (std::size_t i = 0; i < steps.size();) {
    if (steps[i].sign == ' ') {
      ++i;
      continue;
    }
    const std::size_t first = i - std::min(i - at, kContext);
    std::size_t end = i;  // behind the last change that is near enough to the one before it
    for (; i < steps.size() && i - end <= 2 * kContext; ++i) {
      if (steps[i].sign == ' ') continue;
      end = i + 1;
      ++(steps[i].sign == '+' ? result.added : result.removed);
    }
    end = std::min(end + kContext, steps.size());
    for (; at < first; ++at) passed.pass(steps[at]);
    result.hunks += hunk_of(steps, first, end, passed);
    for (; at < end; ++at) passed.pass(steps[at]);
    i = end;
  }
  return result;
}

std::string reason_for_no_diff(std::string_view content) {
  if (content.size() > kDiffedMax) return fmt::format("larger than {} MiB", kDiffedMax >> 20);
  try {
    const bool is_text = content.find('\0') == std::string_view::npos;
    if (is_text && !nlohmann::json(std::string(content)).dump().empty()) return {};
  } catch (const nlohmann::json::type_error&) {  // what is no UTF-8 it cannot write
  }
  return "no UTF-8 text";
}

}  // namespace moult::ctl
