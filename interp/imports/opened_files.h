#pragma once

#include "interp/imports/loaded_libraries.h"
#include "interp/py/attach.h"

#include <sys/types.h>
#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace moult {

// The data files below an app's tree that one interpreter opened for reading: a change of such a
// file is a change of the app. And those that it writes, whose change is none. Fed by one audit hook for
// the whole process (install), which finds the interpreter's instance in PyInterpreterState_GetDict. One
// per interpreter, owned by its home; used by all of its threads. After kMost files that were read nothing
// more is noted.
class OpenedFiles {
 public:
  // Called without a GIL, before the file is written, for the daemon hears of the write from the kernel.
  using OnWritten = std::function<void(const std::string& path)>;

  OpenedFiles(std::vector<std::string> roots, OnWritten on_written);

  // Once per process, in the main interpreter.
  static bool install(const py::Attached& py);
  // From now on this instance notes what the attached interpreter opens; until forget().
  bool watch(const py::Attached& py);
  static void forget(const py::Attached& py);

  void add(std::string_view path);
  void add_written(const py::Attached& py, std::string_view path);
  bool has_news() const { return news_.load(std::memory_order_relaxed); }
  std::vector<std::string> take();
  // Shared libraries that were loaded since the last time.
  std::vector<std::string> take_libraries() { return libraries_.news(); }

 private:
  static constexpr std::size_t kMost = 1000;
  static constexpr std::size_t kMostWritten = 10'000;
  // The absolute path, or "" for what is none of the app's data.
  std::string wanted(std::string_view path) const;

  std::vector<std::string> roots_;
  LoadedLibraries libraries_;
  OnWritten on_written_;
  pid_t process_;
  std::mutex mutex_;
  std::unordered_set<std::string> known_;
  std::unordered_set<std::string> written_;
  std::vector<std::string> pending_;
  std::atomic<bool> news_ = false;
};

}  // namespace moult
