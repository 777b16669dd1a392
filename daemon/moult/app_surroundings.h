#pragma once

#include "daemon/config/config.h"
#include "daemon/hosts/python_info.h"

#include <map>
#include <optional>
#include <string>

namespace moult {

// What an app is run in, as the disk has it when an attempt begins. A value, made in the background.
struct AppSurroundings {
  std::string python_file;     // which file its python is, and since when: another one is another Python
  std::optional<Error> fault;  // it cannot be run in them
  std::map<std::string, std::string> file_environment;  // of `env_file`
  std::string unread_env_file;                          // the tree's .env, when no setting names one
};

// Blocks.
AppSurroundings surroundings_of(const AppConfig& app, const PythonInfo& python);

}  // namespace moult
