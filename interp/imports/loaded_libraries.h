#pragma once

#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

namespace moult {

// The shared libraries below an app's tree that the process has loaded, whoever did it: ctypes, cffi, an
// extension module that is linked to one. They are code of the app, and a process loads each once. One per
// interpreter, used by all of its threads. After kMost nothing more is noted.
class LoadedLibraries {
 public:
  explicit LoadedLibraries(std::vector<std::string> roots) : roots_(std::move(roots)) {}

  // The paths of those that were not told yet, symlinks also by the file that they lead to. Costs a call of
  // dl_iterate_phdr(3) when no library was loaded since.
  std::vector<std::string> news();

 private:
  static constexpr std::size_t kMost = 1000;
  bool is_wanted(const std::string& path) const;

  const std::vector<std::string> roots_;
  std::mutex mutex_;
  unsigned long long seen_ = 0;  // how many the process had loaded
  std::unordered_set<std::string> known_;
};

}  // namespace moult
