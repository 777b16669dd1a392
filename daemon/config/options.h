#pragma once

#include "daemon/config/config.h"
#include "ipc/base/log.h"

#include <string>
#include <variant>

namespace moult {

// What the command line asks moultd to do.
enum class DaemonCommand { serve, run, check };

// moultd's command line, checked. Folders are as given; "" means the default of paths.h.
struct DaemonOptions {
  DaemonCommand command = DaemonCommand::serve;
  std::string config;  // --config DIR, or the operand of `check`
  std::string state;   // --state DIR
  Log::Format log_format = Log::Format::automatic;
  LogLevel log_level = LogLevel::info;
  RunOptions run;
};

// The command line is answered already (--help, --version) or wrong: what to print, where, and the
// exit code.
struct CommandLineAnswer {
  std::string text;
  int exit_code = 0;  // 0: text goes to stdout, else to stderr
};

std::variant<DaemonOptions, CommandLineAnswer> parse_options(int argc, const char* const* argv);

// `moultd check`: every error of the config folder, or one line that says OK. CONFIG may also be
// moult.toml or a file in apps/.
CommandLineAnswer check_config(const std::string& config, const std::string& default_folder);

// "file:line: message" lines, each with its hint below.
std::string format_errors(const ConfigErrors& errors);

}  // namespace moult
