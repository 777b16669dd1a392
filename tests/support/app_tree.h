#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace moult::testing {

// The code of one app under test: a folder whose files a case writes as an editor (a new file renamed
// over the old one) or as a careless copy (in place) would. The folder belongs to a TempDir.
class AppTree {
 public:
  explicit AppTree(std::filesystem::path folder);

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path operator/(std::string_view name) const { return folder_ / name; }

  void write(std::string_view name, std::string_view text) const;  // atomic
  // The same text in several files. All are written before the first is renamed: their changes come as
  // close together as a test can bring them.
  void write_all(const std::vector<std::string>& names, std::string_view text) const;
  void write_in_place(std::string_view name, std::string_view text) const;  // truncate and write
  void touch(std::string_view name) const;                                  // made when missing
  void remove(std::string_view name) const;
  // All files of tests/apps/NAME.
  void copy_app(std::string_view name) const;
  std::string read(std::string_view name) const;

 private:
  std::filesystem::path folder_;
};

std::string read_file(const std::filesystem::path& path);  // "" when it is not there

}  // namespace moult::testing
