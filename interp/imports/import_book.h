#pragma once

#include "ipc/base/clock.h"

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

namespace moult {

// How long the modules of one interpreter took to import, and which of its sources had to be compiled.
// One per interpreter, in its Natives; any of its threads. Bounded: what comes after the first 50,000
// modules is not noted.
class ImportBook {
 public:
  struct Times {
    Steady::duration total{};  // with the imports that it led to
    Steady::duration self{};   // without them
  };

  void add(std::string_view module, Times times);
  void add_compiled(std::string_view path);
  std::map<std::string, Times, std::less<>> times() const;
  bool was_compiled(std::string_view path) const;

 private:
  static constexpr std::size_t kMost = 50'000;

  mutable std::mutex mutex_;
  std::map<std::string, Times, std::less<>> times_;
  std::set<std::string, std::less<>> compiled_;
};

}  // namespace moult
