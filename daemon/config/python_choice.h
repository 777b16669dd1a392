#pragma once

#include "daemon/config/config.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// What the choice of a Python may go by beside the app's own settings. A value; its members are empty
// where they do not count, as for the apps of a daemon, whose own shell must not decide.
struct PythonClues {
  std::string virtual_env{};           // $VIRTUAL_ENV: what the shell has activated
  std::string search{};                // $PATH: its python3 is the last choice
  std::string pyenv_version{};         // $PYENV_VERSION
  std::vector<std::string> folders{};  // where .venv or venv may lie
};

// Fills in what the app's `python` and `venv` leave open, and says where it comes from (python_note):
// `venv`; `python`, with the virtual environment that it lies in; an activated one; .venv or venv in
// one of the folders; python3 of the search path. A conda environment is a `python` of its own, and
// pyenv's shim the executable that it stands for. What is chosen need not work: see venv_fault().
// Looks at the disk; blocks.
void choose_python(AppConfig& app, const PythonClues& clues);

// The virtual environment that Python sees itself in when it is started by this path: a pyvenv.cfg
// beside it or above, symlinks not followed. "" when there is none. Blocks.
std::string venv_of(const std::string& executable);

// Whether the text of a pyvenv.cfg says so (include-system-site-packages, PEP 405).
bool sees_system_packages(std::string_view settings);

// What is wrong with the app's virtual environment, with the command that mends it. `version` is that
// of the Python behind it, "3.11"; "": it did not answer, "?": it was not asked. Blocks.
std::optional<Error> venv_fault(const AppConfig& app, std::string_view version);

}  // namespace moult
