#pragma once

#include <set>
#include <string>
#include <string_view>

namespace moult {

// The top-level names that a Python source names in import statements, also inside functions and in
// import_module("name") and __import__("name"): "os" for `import os.path as p`. Found line by line,
// without a parser: names in strings or comments may be among them, which costs a look for a file of
// that name. Relative imports are not listed. Pure.
std::set<std::string> imported_names(std::string_view source);

}  // namespace moult
