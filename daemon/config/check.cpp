// `moultd check`.
#include "daemon/config/options.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

namespace moult {

namespace {

namespace fs = std::filesystem;

// moult.toml and apps/NAME.toml stand for their config folder.
std::string folder_of(const std::string& config) {
  std::error_code code;
  const fs::path path = fs::absolute(config, code).lexically_normal();
  if (!fs::is_regular_file(path, code)) return path;
  const fs::path parent = path.parent_path();
  return parent.filename() == "apps" ? parent.parent_path() : parent;
}

}  // namespace

std::string format_errors(const ConfigErrors& errors) {
  std::string text;
  for (const Error& error : errors) {
    text += describe(error) + "\n";
    if (!error.hint.empty()) text += fmt::format("    {}\n", error.hint);
  }
  return text;
}

CommandLineAnswer check_config(const std::string& config, const std::string& default_folder) {
  const std::string folder = config.empty() ? default_folder : folder_of(config);
  const auto loaded = load_config(folder);
  if (loaded) {
    const std::size_t count = loaded->apps.size();
    return {fmt::format("OK: {} {} in {}\n", count, count == 1 ? "app" : "apps", folder), 0};
  }
  const std::size_t count = loaded.error().size();
  return {format_errors(loaded.error()) + fmt::format("{} {}\n", count, count == 1 ? "error" : "errors"),
          exit_code(ErrorCode::config_invalid)};
}

}  // namespace moult
