#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

// A private folder of one test case, removed at its end.
class TempTree {
 public:
  TempTree() {
    std::string pattern = (std::filesystem::temp_directory_path() / "moult-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    root_ = std::filesystem::canonical(pattern).string();
  }
  ~TempTree() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  TempTree(const TempTree&) = delete;
  TempTree& operator=(const TempTree&) = delete;

  const std::string& root() const { return root_; }
  std::string path(std::string_view relative) const { return root_ + "/" + std::string(relative); }

  std::string folder(std::string_view relative) const {
    std::filesystem::create_directories(path(relative));
    return path(relative);
  }
  std::string write(std::string_view relative, std::string_view content) const {
    const std::string file = path(relative);
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }
  // As editors do: a new file takes the old one's place.
  std::string replace(std::string_view relative, std::string_view content) const {
    const std::string beside = write(std::string(relative) + ".tmp-beside", content);
    std::filesystem::rename(beside, path(relative));
    return path(relative);
  }
  void link(std::string_view target, std::string_view relative) const {
    std::filesystem::create_symlink(target, path(relative));
  }
  void remove(std::string_view relative) const { std::filesystem::remove_all(path(relative)); }

 private:
  std::string root_;
};
