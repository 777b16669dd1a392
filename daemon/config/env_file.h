#pragma once

#include "ipc/base/result.h"

#include <map>
#include <string>
#include <string_view>

namespace moult {

// The variables of an `env_file`: KEY=VALUE lines, `export ` before them or not, # comments. Text in
// single quotes is as it stands, in double quotes \n, \t, \", \\ and \$ are escapes, and both may go
// over several lines; without quotes a value ends before " #" and has no blanks around it. Nothing is
// expanded. Errors carry `file` and the line.
Result<std::map<std::string, std::string>> parse_env_file(std::string_view text, const std::string& file);

// Reads and parses it. Blocks.
Result<std::map<std::string, std::string>> read_env_file(const std::string& file);

}  // namespace moult
