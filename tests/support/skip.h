#pragma once

#include <doctest/doctest.h>

#include <cstdio>
#include <string>

namespace moult::testing {

// How many cases of this program could not run where they are.
inline int& skipped_cases() {
  static int count = 0;
  return count;
}

// Says why the running case cannot run here, which is no pass: tests/unit/main.cpp and .ci/count-tests count
// it. The case returns.
inline void skip(const std::string& why) {
  ++skipped_cases();
  std::printf("SKIPPED: %s: %s\n", doctest::getContextOptions()->currentTest->m_name, why.c_str());
}

}  // namespace moult::testing
