#pragma once

#include "daemon/config/config.h"
#include "ipc/base/fd.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

namespace moult {

// A private folder of one test case, removed at its end: config/ for the config, and next to it
// whatever the case puts there.
class ConfigFolder {
 public:
  ConfigFolder() {
    std::string name = std::filesystem::temp_directory_path() / "moult-config.XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    // The temporary folder may be a symlink, and the code under test never resolves one.
    root_ = std::filesystem::canonical(name);
    folder("config/apps");
  }
  ConfigFolder(const ConfigFolder&) = delete;
  ConfigFolder& operator=(const ConfigFolder&) = delete;
  ~ConfigFolder() { std::filesystem::remove_all(root_); }

  std::string path(const std::string& name) const { return root_ + "/" + name; }
  std::string config() const { return path("config"); }

  std::string folder(const std::string& name) {
    std::filesystem::create_directories(path(name));
    return path(name);
  }
  std::string file(const std::string& name, std::string_view text, int mode = 0600) {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    REQUIRE(write_file_atomically(path(name), text, mode));
    return path(name);
  }
  // An app with a tree of its own and an app.py in it.
  std::string app(const std::string& name, std::string_view rest = "") {
    file("trees/" + name + "/app.py", "");
    return file("config/apps/" + name + ".toml", "tree = \"../../trees/" + name + "\"\n" + std::string(rest));
  }

 private:
  std::string root_;
};

// The errors of a config that must not load, empty where it does.
inline ConfigErrors errors_of(const ConfigFolder& folder) {
  auto loaded = load_config(folder.config());
  return loaded ? ConfigErrors{} : loaded.error();
}

// The one error of a config that has exactly one.
inline Error error_of(const ConfigFolder& folder) {
  const ConfigErrors errors = errors_of(folder);
  for (const Error& error : errors) INFO(describe(error));
  REQUIRE(errors.size() == 1);
  return errors.front();
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace moult
