#include "daemon/config/python_choice.h"

#include "daemon/config/value_reader.h"
#include "ipc/base/fd.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <unistd.h>
#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>
#include <system_error>

namespace moult {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSettingsMax = 64 * 1024;

bool is_file(const std::string& path) {
  std::error_code code;
  return fs::is_regular_file(path, code);
}

bool is_folder(const std::string& path) {
  std::error_code code;
  return fs::is_directory(path, code);
}

std::string folder_of(const std::string& path) { return fs::path(path).parent_path(); }

bool is_venv(const std::string& folder) { return is_file(folder + "/pyvenv.cfg"); }
bool is_conda(const std::string& folder) { return !is_venv(folder) && is_folder(folder + "/conda-meta"); }

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kBlank) - first + 1));
}

// As site.py reads it: `key = value` lines, keys in any case, the last one counts.
std::map<std::string, std::string> venv_settings(std::string_view text) {
  std::map<std::string, std::string> settings;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    std::string key = trimmed(line.substr(0, equals));
    for (char& c : key) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    settings[key] = trimmed(line.substr(equals + 1));
  }
  return settings;
}

std::map<std::string, std::string> settings_of(const std::string& venv) {
  const auto text = read_file(venv + "/pyvenv.cfg", kSettingsMax);
  return text ? venv_settings(*text) : std::map<std::string, std::string>();
}

// ---- pyenv

std::vector<std::string> words_of(const std::string& file) {
  std::vector<std::string> words;
  const auto text = read_file(file, kSettingsMax);
  std::istringstream lines(text ? *text : std::string());
  for (std::string line; std::getline(lines, line);) {
    std::istringstream parts(line.substr(0, line.find('#')));
    for (std::string word; parts >> word;) words.push_back(word);
  }
  return words;
}

// "3.12" means the newest 3.12.x that is there.
std::string pyenv_folder(const std::string& versions, const std::string& name) {
  if (is_folder(versions + "/" + name)) return versions + "/" + name;
  std::string best;
  std::vector<int> best_numbers;
  std::error_code code;
  for (fs::directory_iterator item(versions, code), end; !code && item != end; item.increment(code)) {
    const std::string version = item->path().filename();
    if (!version.starts_with(name + ".")) continue;
    std::vector<int> numbers;
    std::istringstream rest(version.substr(name.size() + 1));
    for (std::string part; std::getline(rest, part, '.');)
      numbers.push_back(std::atoi(part.c_str()));  // a name that is no number is the oldest
    if (best.empty() || numbers > best_numbers) {
      best = item->path();
      best_numbers = std::move(numbers);
    }
  }
  return best;
}

std::vector<std::string> pyenv_versions(const std::string& root, const std::string& tree,
                                        const PythonClues& clues) {
  std::vector<std::string> versions;
  std::istringstream asked(clues.pyenv_version);
  for (std::string one; std::getline(asked, one, ':');) versions.push_back(one);
  for (fs::path folder(tree); versions.empty() && !folder.empty(); folder = folder.parent_path()) {
    versions = words_of((folder / ".python-version").string());
    if (folder == folder.parent_path()) break;
  }
  if (versions.empty()) versions = words_of(root + "/version");
  if (versions.empty()) versions.emplace_back("system");
  return versions;
}

// pyenv's shim goes by the folder that it is called in, and ours is not the app's: so what it would
// run there is found here. Anything else comes back as it is.
std::string behind_shim(const std::string& python, const std::string& tree, const PythonClues& clues) {
  const fs::path path(python);
  const std::string root = folder_of(path.parent_path());
  if (path.parent_path().filename() != "shims" || !is_folder(root + "/versions")) return python;
  for (const std::string& version : pyenv_versions(root, tree, clues)) {
    if (version == "system") {
      std::string others;
      const char* search = std::getenv("PATH");
      std::istringstream parts(search == nullptr ? "/usr/local/bin:/usr/bin:/bin" : search);
      for (std::string part; std::getline(parts, part, ':');) {
        if (fs::path(part).filename() != "shims") others += part + ":";
      }
      if (std::string found = find_executable(path.filename(), others); !found.empty()) return found;
      continue;
    }
    const std::string folder = pyenv_folder(root + "/versions", version);
    const std::string found = folder + "/bin/" + path.filename().string();
    if (!folder.empty() && ::access(found.c_str(), X_OK) == 0) return found;
  }
  return python;
}

// ---- the choice

std::string note_of(const AppConfig& app, std::string_view why) {
  if (!app.venv.empty()) return fmt::format("virtual environment {} ({})", app.venv, why);
  const std::string prefix = folder_of(folder_of(app.python));
  if (is_conda(prefix)) return fmt::format("conda environment {} ({})", prefix, why);
  return fmt::format("{} ({})", app.python, why);
}

void take(AppConfig& app, std::string venv, std::string_view why) {
  app.venv = std::move(venv);
  app.python_note = note_of(app, why);
  if (app.venv.empty()) return;
  const auto settings = read_file(app.venv + "/pyvenv.cfg", kSettingsMax);
  app.venv_sees_system = settings && sees_system_packages(*settings);
}

// ---- what is wrong with one

std::string remake(const AppConfig& app, const std::map<std::string, std::string>& settings) {
  if (settings.count("uv") != 0)
    return fmt::format("uv venv --clear {}, then uv sync or uv pip install", app.venv);
  return fmt::format("python3 -m venv --clear {}, then install its packages again", app.venv);
}

// Where a symlink that leads nowhere leads in the end: bin/python -> python3 -> /usr/bin/python3.11.
std::string end_of_links(fs::path path) {
  std::error_code code;
  for (int hops = 0; hops < 40 && fs::is_symlink(path, code); ++hops)
    path = path.parent_path() / fs::read_symlink(path, code);  // an absolute one takes its place
  return path.lexically_normal();
}

Error fault(std::string message, std::string hint) {
  return Error{ErrorCode::failed, std::move(message), {}, {}, 0, std::move(hint)};
}

// "3.11" of its lib/python3.11.
std::vector<std::string> versions_in(const std::string& venv) {
  std::vector<std::string> versions;
  std::error_code code;
  for (fs::directory_iterator item(venv + "/lib", code), end; !code && item != end; item.increment(code)) {
    const std::string name = item->path().filename();
    if (name.starts_with("python") && is_folder(item->path().string() + "/site-packages"))
      versions.push_back(name.substr(6));
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

}  // namespace

bool sees_system_packages(std::string_view settings) {
  const auto all = venv_settings(settings);
  const auto found = all.find("include-system-site-packages");
  if (found == all.end() || found->second.size() != 4) return false;
  return std::equal(found->second.begin(), found->second.end(), "true",
                    [](char c, char lower) { return c == lower || c + ('a' - 'A') == lower; });
}

std::string venv_of(const std::string& executable) {
  const std::string bin = folder_of(executable);
  if (bin.empty()) return {};
  const std::string above = folder_of(bin);
  return is_venv(bin) || is_venv(above) ? above : std::string();
}

void choose_python(AppConfig& app, const PythonClues& clues) {
  if (!app.venv.empty() && is_conda(app.venv)) {
    if (app.python.empty()) app.python = app.venv + "/bin/python";
    app.venv.clear();
    app.python_note = note_of(app, "`venv`");
    return;
  }
  if (!app.venv.empty()) return take(app, app.venv, "`venv`");
  if (!app.python.empty()) {
    app.python = behind_shim(app.python, app.tree, clues);
    return take(app, venv_of(app.python), "`python`");
  }
  if (is_conda(clues.virtual_env)) {
    app.python = clues.virtual_env + "/bin/python";
    app.python_note = note_of(app, "activated");
    return;
  }
  if (!clues.virtual_env.empty()) return take(app, clues.virtual_env, "activated: VIRTUAL_ENV");
  for (const std::string& folder : clues.folders) {
    for (const char* name : {".venv", "venv"}) {
      const std::string venv = fmt::format("{}/{}", folder == "/" ? "" : folder, name);
      if (is_venv(venv)) return take(app, venv, fmt::format("found as {}", name));
    }
  }
  if (clues.search.empty()) return;
  const std::string found = find_executable("python3", clues.search);
  if (found.empty()) return;
  app.python = behind_shim(found, app.tree, clues);
  take(app, venv_of(app.python), "python3 of PATH");
}

std::optional<Error> venv_fault(const AppConfig& app, std::string_view version) {
  if (app.venv.empty()) return {};
  const auto what = [&](std::string_view text) {
    return fmt::format("the virtual environment {} {}", app.venv, text);
  };
  const auto settings = settings_of(app.venv);
  if (!is_folder(app.venv)) {
    return fault(what("is not there"), fmt::format("python3 -m venv {}, or name another", app.venv));
  }
  if (!is_venv(app.venv)) {
    return fault(what("is none: it has no pyvenv.cfg"), fmt::format("python3 -m venv {}", app.venv));
  }
  if (settings.count("home") == 0)
    return fault(what("is damaged: its pyvenv.cfg has no `home`"), remake(app, settings));
  const std::string python = app.venv + "/bin/python";
  if (app.python.empty() || venv_of(app.python) == app.venv) {
    const std::string& executable = app.python.empty() ? python : app.python;
    std::error_code code;
    if (!fs::exists(executable, code)) {
      if (!fs::is_symlink(executable, code))
        return fault(what(fmt::format("has no {}", executable.substr(app.venv.size() + 1))),
                     remake(app, settings));
      return fault(what(fmt::format("has lost its Python: {} leads to {}, which was removed or moved",
                                    executable.substr(app.venv.size() + 1), end_of_links(executable))),
                   remake(app, settings));
    }
    if (version.empty() && !is_folder(settings.at("home"))) {
      return fault(what(fmt::format("has lost its Python: it was in {}, which was removed or moved",
                                    settings.at("home"))),
                   remake(app, settings));
    }
  }
  if (version.empty() || version == "?") return {};
  const auto there = versions_in(app.venv);
  if (std::find(there.begin(), there.end(), version) != there.end()) return {};
  if (there.empty())
    return fault(what("is damaged: it has no lib/python*/site-packages"), remake(app, settings));
  if (!app.python.empty() && venv_of(app.python) != app.venv) {
    return fault(what(fmt::format("is for Python {}, and {} is Python {}", fmt::join(there, ", "), app.python,
                                  version)),
                 "leave `python` out: the environment has its own");
  }
  return fault(
      what(fmt::format("was made with Python {}, and its python is {} now", fmt::join(there, ", "), version)),
      settings.count("uv") != 0
          ? remake(app, settings)
          : fmt::format("python3 -m venv --upgrade {}, then install its packages again", app.venv));
}

}  // namespace moult
