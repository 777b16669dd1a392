#include "control/words.h"

#include <fnmatch.h>
#include <algorithm>
#include <numeric>
#include <set>

namespace moult::control {

namespace {

// Levenshtein's distance, with a swap of neighbours as one step.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> now(b.size() + 1);
  std::iota(last.begin(), last.end(), 0u);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + change});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(now);
  }
  return last[b.size()];
}

}  // namespace

bool fits(std::string_view pattern, std::string_view text) {
  return ::fnmatch(std::string(pattern).c_str(), std::string(text).c_str(), 0) == 0;
}

bool is_pattern(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    // Whole words of a longer name ("show" for "config.show") are near by any measure.
    const bool begins = word.size() >= 3 && candidate.starts_with(word);
    const std::size_t steps = begins ? 1 : distance(word, candidate);
    if (steps < best_distance) {
      best_distance = steps;
      best = candidate;
    }
  }
  return best;
}

Selection select(const std::vector<std::string>& selectors, const std::vector<std::string>& all) {
  Selection selection;
  std::set<std::string> found;
  for (const std::string& selector : selectors) {
    bool any = false;
    for (const std::string& name : all) {
      if (name != selector && !(is_pattern(selector) && fits(selector, name))) continue;
      found.insert(name);
      any = true;
    }
    if (!any && selection.unknown.empty()) selection.unknown = selector;
  }
  selection.names.assign(found.begin(), found.end());
  return selection;
}

}  // namespace moult::control
