#include "daemon/moult/app_surroundings.h"

#include "daemon/config/env_file.h"
#include "daemon/config/python_choice.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

namespace moult {

AppSurroundings surroundings_of(const AppConfig& app, const PythonInfo& python) {
  AppSurroundings found;
  std::error_code code;
  if (const auto real = std::filesystem::canonical(python_of(app), code); !code) {
    const auto since = std::filesystem::last_write_time(real, code).time_since_epoch();
    found.python_file = fmt::format("{} {}", real.string(), since.count());
  }
  found.fault = venv_fault(app, python.short_version());
  const std::string usual = app.tree + "/.env";
  if (!app.env_file.empty()) {
    if (auto variables = read_env_file(app.env_file)) {
      found.file_environment = std::move(*variables);
    } else if (!found.fault) {
      found.fault = std::move(variables.error());
    }
  } else if (std::filesystem::is_regular_file(usual, code)) {
    found.unread_env_file = usual;
  }
  return found;
}

}  // namespace moult
