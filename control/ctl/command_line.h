#pragma once

#include "control/ctl/options.h"

#include <CLI/CLI.hpp>

namespace moult::ctl {

// Adds the sub-commands of moultctl to `app`; what is parsed goes to `options`, which must outlive it.
void add_commands(CLI::App& app, Options& options);
// The options that stand before or after any of them.
void add_globals(CLI::App& app, Options& options, std::string& timeout);

// The sub-command of `parent` with this name, null when there is none.
const CLI::App* find_command(const CLI::App& parent, const std::string& name);
// Whether `word` is an option of `command`, or of one above it, that the next word is the value of.
bool takes_value(const CLI::App* command, const std::string& word);

// CLI11 would take -1 for 2^64 - 1.
std::optional<std::uint64_t> whole_number(const std::string& text);

}  // namespace moult::ctl
