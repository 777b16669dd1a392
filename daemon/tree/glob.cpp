#include "daemon/tree/glob.h"

namespace moult {

namespace {

constexpr std::string_view kAnyNumber = "**";

bool in_class(std::string_view name, unsigned char c) {
  const bool lower = c >= 'a' && c <= 'z';
  const bool upper = c >= 'A' && c <= 'Z';
  const bool digit = c >= '0' && c <= '9';
  if (name == "alpha") return lower || upper;
  if (name == "digit") return digit;
  if (name == "alnum") return lower || upper || digit;
  if (name == "lower") return lower;
  if (name == "upper") return upper;
  if (name == "space") return c == ' ' || (c >= '\t' && c <= '\r');
  if (name == "punct") return c > ' ' && c < 127 && !lower && !upper && !digit;
  if (name == "xdigit") return digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  return false;
}

// One element of a pattern: a character, "?", or a set in brackets.
struct Element {
  std::size_t size = 1;  // in the pattern
  bool matches = false;
};

// pattern[0] is '['. A set that is never closed matches nothing (fnmatch in git says so too).
Element match_set(std::string_view pattern, char subject) {
  std::size_t at = 1;
  bool negated = false;
  if (at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^')) {
    negated = true;
    ++at;
  }
  bool found = false;
  const auto c = static_cast<unsigned char>(subject);
  for (bool first = true; at < pattern.size(); first = false) {
    if (pattern[at] == ']' && !first) return {at + 1, found != negated};
    if (pattern.substr(at).starts_with("[:")) {
      const std::size_t end = pattern.find(":]", at + 2);
      if (end != std::string_view::npos) {
        found = found || in_class(pattern.substr(at + 2, end - at - 2), c);
        at = end + 2;
        continue;
      }
    }
    if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
    const auto low = static_cast<unsigned char>(pattern[at++]);
    auto high = low;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
      ++at;
      if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
      high = static_cast<unsigned char>(pattern[at++]);
    }
    found = found || (c >= low && c <= high);
  }
  return {pattern.size(), false};
}

Element match_element(std::string_view pattern, char subject) {
  if (pattern.front() == '?') return {1, true};
  if (pattern.front() == '[') return match_set(pattern, subject);
  if (pattern.front() == '\\' && pattern.size() > 1) return {2, pattern[1] == subject};
  return {1, pattern.front() == subject};
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    if (slash != 0) parts.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

}  // namespace

// Greedy with a way back to the last star: an earlier star never needs to take more, as the later one
// can take whatever it could have.
bool matches_component(std::string_view pattern, std::string_view name) {
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_took_to = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_took_to = n;
      continue;
    }
    if (p < pattern.size()) {
      const Element element = match_element(pattern.substr(p), name[n]);
      if (element.matches) {
        p += element.size;
        ++n;
        continue;
      }
    }
    if (star == std::string_view::npos) return false;
    p = star;
    n = ++star_took_to;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Glob::Glob(std::string_view pattern) {
  for (const std::string_view part : split(pattern)) components_.emplace_back(part);
  // "a/**" is everything inside a, not a itself.
  if (components_.size() > 1 && components_.back() == kAnyNumber) components_.emplace_back("*");
}

bool Glob::matches_name(std::string_view name) const {
  return components_.size() == 1 && matches_component(components_.front(), name);
}

bool Glob::matches(std::string_view path) const {
  const std::vector<std::string_view> parts = split(path);
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_took_to = 0;
  while (n < parts.size()) {
    if (p < components_.size() && components_[p] == kAnyNumber) {
      star = ++p;
      star_took_to = n;
    } else if (p < components_.size() && matches_component(components_[p], parts[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star;
      n = ++star_took_to;
    } else {
      return false;
    }
  }
  while (p < components_.size() && components_[p] == kAnyNumber) ++p;
  return p == components_.size();
}

}  // namespace moult
