#pragma once

#include "interp/loaded_libraries.h"
#include "interp/py/attach.h"

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace moult {

// The data files below an app's tree that one interpreter opened for reading: a change of such a
// file is a change of the app. Fed by one audit hook for the whole process (install), which finds
// the interpreter's instance in PyInterpreterState_GetDict. One per interpreter, owned by its
// home; used by all of its threads. After kMost files nothing more is noted.
class OpenedFiles {
 public:
  explicit OpenedFiles(std::vector<std::string> roots) : roots_(std::move(roots)), libraries_(roots_) {}

  // Once per process, in the main interpreter.
  static bool install(const py::Attached& py);
  // From now on this instance notes what the attached interpreter opens; until forget().
  bool watch(const py::Attached& py);
  static void forget(const py::Attached& py);

  void add(std::string_view path);
  bool has_news() const { return news_.load(std::memory_order_relaxed); }
  std::vector<std::string> take();
  // Shared libraries that were loaded since the last time.
  std::vector<std::string> take_libraries() { return libraries_.news(); }

 private:
  static constexpr std::size_t kMost = 1000;
  bool wanted(std::string_view path) const;

  std::vector<std::string> roots_;
  LoadedLibraries libraries_;
  std::mutex mutex_;
  std::unordered_set<std::string> known_;
  std::vector<std::string> pending_;
  std::atomic<bool> news_ = false;
};

}  // namespace moult
