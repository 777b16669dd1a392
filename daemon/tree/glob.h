#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace moult {

// A path pattern in the syntax of gitignore(5): "*", "?", "[a-z]", "\" before a special character,
// and "**" as a whole component for any number of components. Matching takes time in proportion to
// pattern times path at worst. A value.
class Glob {
 public:
  explicit Glob(std::string_view pattern);

  bool matches(std::string_view path) const;       // component by component
  bool matches_name(std::string_view name) const;  // a pattern without '/', without allocating

 private:
  std::vector<std::string> components_;
};

// One component: no '/' on either side.
bool matches_component(std::string_view pattern, std::string_view name);

}  // namespace moult
