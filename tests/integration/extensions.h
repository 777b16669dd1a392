#pragma once

#include "tests/support/app_tree.h"
#include "tests/support/daemon_process.h"

#include <filesystem>
#include <string>

namespace moult::testing {

// One of the modules in tests/apps/extensions that the build made for this Python, put into `tree`.
inline void copy_extension(const std::string& name, const AppTree& tree) {
  const Finished asked =
      run({{test_python(), "-I", "-c", "import _imp; print(_imp.extension_suffixes()[0], end='')"},
           {},
           {},
           {},
           {}},
          tree.path().string());
  const std::string file = name + asked.output;
  std::filesystem::copy_file(std::filesystem::path(MOULT_EXTENSIONS_DIR) / file, tree / file);
}

// By `auto`; on 3.12 every app gets a process.
inline bool has_subinterpreters() { return python_version() != std::pair{3, 12}; }

}  // namespace moult::testing
