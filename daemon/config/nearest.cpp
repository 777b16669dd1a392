#include "daemon/config/config.h"

#include <algorithm>
#include <numeric>

namespace moult {

namespace {

// Edits between two words: insert, delete, replace, swap of neighbours (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string folded(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
  }
  return out;
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.empty() || word.size() > 100) return {};
  const std::string wanted = folded(word);
  // A third of the letters may be wrong; in short words one.
  std::size_t limit = std::max<std::size_t>(1, wanted.size() / 3);
  std::string best;
  for (const std::string& candidate : candidates) {
    const std::size_t edits = distance(wanted, folded(candidate));
    if (edits < limit || (edits == limit && best.empty())) {
      limit = edits;
      best = candidate;
    }
  }
  return best;
}

}  // namespace moult
