#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace moult::control {

// Whether `text` fits a shell pattern of '*', '?' and '[…]' (fnmatch(3)).
bool fits(std::string_view pattern, std::string_view text);
bool is_pattern(std::string_view text);

// The candidate that `word` was probably meant to be, "" when none is near.
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

// What names and patterns select of `all`, sorted and once each. `unknown` is the first that fits
// none.
struct Selection {
  std::vector<std::string> names;
  std::string unknown;
};
Selection select(const std::vector<std::string>& selectors, const std::vector<std::string>& all);

}  // namespace moult::control
