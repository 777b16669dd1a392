#pragma once

#include <filesystem>
#include <string>

namespace moult::testing {

// A folder of one test case, made in the constructor and removed by the destructor, unless the case
// has failed: then it stays and its path is printed. Paths are short, so that sockets fit into it.
class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// Whether an assertion of the running case has failed, or an exception is on its way out of it.
bool case_has_failed();

}  // namespace moult::testing
