#include "interp/imports/loaded_libraries.h"

#include <link.h>
#include <filesystem>
#include <system_error>

namespace moult {

namespace {

unsigned long long count_loaded() {
  unsigned long long count = 0;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* into) {
        *static_cast<unsigned long long*>(into) = info->dlpi_adds;
        return 1;  // the first knows it
      },
      &count);
  return count;
}

std::vector<std::string> names_of_loaded() {
  std::vector<std::string> names;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* into) {
        if (info->dlpi_name != nullptr && info->dlpi_name[0] != '\0') {
          static_cast<std::vector<std::string>*>(into)->emplace_back(info->dlpi_name);
        }
        return 0;
      },
      &names);
  return names;
}

}  // namespace

std::vector<std::string> LoadedLibraries::news() {
  const std::scoped_lock lock(mutex_);
  const unsigned long long count = count_loaded();
  if (count == seen_) return {};
  seen_ = count;
  std::vector<std::string> fresh;
  for (const std::string& name : names_of_loaded()) {
    std::error_code error;
    // As it was given to dlopen(3), which may be from the working folder on.
    const std::filesystem::path given = std::filesystem::absolute(name, error).lexically_normal();
    const std::filesystem::path real = error ? given : std::filesystem::canonical(given, error);
    if (error) continue;  // the vdso, a file that has gone
    for (const std::string& path : {given.string(), real.string()}) {
      if (known_.size() < kMost && is_wanted(path) && known_.insert(path).second) fresh.push_back(path);
    }
  }
  return fresh;
}

bool LoadedLibraries::is_wanted(const std::string& path) const {
  for (const std::string& root : roots_) {
    if (path.size() > root.size() && path.starts_with(root) && path[root.size()] == '/') {
      return path.find("-packages/") ==
             std::string::npos;  // a change of these is seen as a change of packages
    }
  }
  return false;
}

}  // namespace moult
