#include "tests/support/app_tree.h"

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace moult::testing {

namespace fs = std::filesystem;

namespace {

void write_file(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path.string());
}

fs::path beside(const fs::path& path) {
  return path.parent_path() / ("." + path.filename().string() + ".swp");
}

}  // namespace

AppTree::AppTree(fs::path folder) : folder_(std::move(folder)) { fs::create_directories(folder_); }

void AppTree::write(std::string_view name, std::string_view text) const {
  write_all({std::string(name)}, text);
}

void AppTree::write_all(const std::vector<std::string>& names, std::string_view text) const {
  for (const std::string& name : names) write_file(beside(folder_ / name), text);
  for (const std::string& name : names) fs::rename(beside(folder_ / name), folder_ / name);
}

void AppTree::write_in_place(std::string_view name, std::string_view text) const {
  write_file(folder_ / name, text);
}

void AppTree::touch(std::string_view name) const {
  const fs::path path = folder_ / name;
  if (!fs::exists(path)) write_file(path, "");
  fs::last_write_time(path, fs::file_time_type::clock::now());
}

void AppTree::remove(std::string_view name) const { fs::remove_all(folder_ / name); }

void AppTree::copy_app(std::string_view name) const {
  const fs::path from = fs::path(MOULT_SOURCE_DIR) / "tests" / "apps" / name;
  fs::copy(from, folder_, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
}

std::string AppTree::read(std::string_view name) const { return read_file(folder_ / name); }

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();  // an error ends it; a file in /proc may go while it is read
  return text.str();
}

}  // namespace moult::testing
