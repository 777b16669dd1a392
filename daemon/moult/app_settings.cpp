#include "daemon/moult/app_settings.h"

#include "daemon/config/entry.h"
#include "daemon/snapshot/package_listings.h"
#include "daemon/tree/tree_rules.h"

#include <fmt/format.h>

#include <unistd.h>
#include <algorithm>
#include <filesystem>

namespace moult {

namespace {

// "/srv/app/lib" below the configured tree, as seen from the resolved one; else nothing.
std::string rebase(const std::string& path, const std::string& from, const std::string& to) {
  if (path == from) return to;
  if (path.starts_with(from + "/")) return to + path.substr(from.size());
  return {};
}

std::string real_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return error ? path : real.string();
}

std::string value_of(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

// Flags that change the process itself, which only a process of the app's own can have.
bool is_process_flag(const std::string& flag) {
  return flag.starts_with("-O") || flag.starts_with("-d") || flag == "-q";
}

}  // namespace

Environment daemon_environment() {
  Environment environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    const std::string name(text.substr(0, equals));
    if (name.starts_with("MOULT_") || name.starts_with("LISTEN_") || name == "NOTIFY_SOCKET" ||
        name == "INVOCATION_ID" || name == "JOURNAL_STREAM") {
      continue;
    }
    environment[name] = text.substr(equals + 1);
  }
  return environment;
}

Environment environment_of(const AppConfig& app, const Environment& daemon, const Environment& file) {
  Environment environment = daemon;
  for (const auto& [name, value] : file) environment[name] = value;
  for (const auto& [name, value] : app.env) environment[name] = value;
  if (!app.venv.empty()) {
    environment["VIRTUAL_ENV"] = app.venv;
    // An empty part of PATH is the current folder (environ(7)).
    const std::string rest = value_of(environment, "PATH");
    environment["PATH"] = app.venv + "/bin" + (rest.empty() ? "" : ":" + rest);
  }
  return environment;
}

std::vector<std::string> site_folders(const AppConfig& app, const PythonInfo& python,
                                      const Environment& environment) {
  const std::string version = "python" + python.short_version();
  std::vector<std::string> folders;
  if (!app.venv.empty()) {
    folders.push_back(fmt::format("{}/lib/{}/site-packages", app.venv, version));
    if (!app.venv_sees_system) return folders;
  }
  const std::size_t bin = python.executable.rfind("/bin/");
  const std::string prefix = bin == std::string::npos ? "/usr" : python.executable.substr(0, bin);
  folders.push_back(fmt::format("{}/lib/{}/site-packages", prefix, version));
  if (prefix == "/usr") {  // Debian's own layout (python policy, section 2.5)
    folders.push_back("/usr/lib/python3/dist-packages");
    folders.push_back(fmt::format("/usr/local/lib/{}/dist-packages", version));
  }
  if (const std::string home = value_of(environment, "HOME"); !home.empty()) {
    folders.push_back(fmt::format("{}/.local/lib/{}/site-packages", home, version));
  }
  return folders;
}

std::vector<std::string> package_folders(const AppConfig& app, const std::vector<std::string>& sites) {
  std::vector<std::string> folders;
  const auto add = [&folders](const std::string& folder) {
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) folders.push_back(folder);
  };
  for (const std::string& entry : app.path) {
    if (is_package_folder(entry)) add(entry);
  }
  for (const std::string& folder : sites) add(folder);
  return folders;
}

std::string entry_file_of(const AppConfig& app) { return app.tree + "/" + classify_entry(app.entry).name; }

SnapshotSpec snapshot_spec(const AppConfig& app, const std::vector<std::string>& editable, Reach reach) {
  SnapshotSpec spec;
  spec.tree = app.tree;
  spec.roots = app.path;
  spec.roots.insert(spec.roots.end(), editable.begin(), editable.end());
  spec.entry_file = entry_file_of(app);
  spec.entry_may_be_module = classify_entry(app.entry).kind == EntryKind::module;
  spec.data = app.watch;
  if (!app.env_file.empty()) spec.data.push_back(app.env_file);
  // A thread is busy with it, for which the daemon waits when it ends.
  spec.limits.longest = std::min(app.settle_max, spec.limits.longest);
  spec.reach = reach;
  return spec;
}

bool is_code_file(const std::string& path) {
  return path.ends_with(".py") || path.ends_with(".pyc") || is_extension_module(path);
}

void add_code_used(const std::set<std::string>& files, const std::vector<std::string>& roots,
                   SnapshotSpec& spec) {
  for (const std::string& file : files) {
    const bool inside = std::any_of(roots.begin(), roots.end(),
                                    [&file](const std::string& root) { return is_within(file, root); });
    if (!is_code_file(file)) continue;
    if (!file.ends_with(".py")) {
      spec.opened.push_back(file);  // loaded from the disk
    } else if (!inside) {
      spec.outside.push_back(file);
    }
  }
}

void add_data_used(const std::set<std::string>& files, const std::set<std::string>& written,
                   SnapshotSpec& spec) {
  for (const std::string& file : files) {
    if (!is_code_file(file) && !written.contains(file)) spec.opened.push_back(file);
  }
}

WatchSpec watch_spec(const AppConfig& app, const std::vector<std::string>& packages,
                     const std::vector<std::string>& editable, Reach reach) {
  WatchSpec spec;
  spec.tree = app.tree;
  spec.roots = app.path;
  spec.roots.insert(spec.roots.end(), editable.begin(), editable.end());
  spec.entry_file = entry_file_of(app);
  spec.watch = app.watch;
  if (!app.env_file.empty()) spec.watch.push_back(app.env_file);
  spec.ignore = app.ignore;
  spec.packages = packages;
  spec.reach = reach;
  spec.opened = app.watch_templates;
  spec.always_poll = app.polling == Toggle::on;
  return spec;
}

HostKey host_key(const AppConfig& app, const PythonInfo& python, InterpreterMode mode,
                 const AppRecord& record, const Environment& environment) {
  HostKey key;
  key.python = python;
  key.mode = mode;
  key.c_environment = c_environment_of(environment);
  for (const auto& [name, value] : record.c_environment) key.c_environment[name] = value;
  if (mode == InterpreterMode::main) {
    for (const std::string& flag : app.python_flags) {
      if (is_process_flag(flag)) key.process_flags += (key.process_flags.empty() ? "" : " ") + flag;
    }
  }
  return key;
}

ResolvedPlace place_of(const AppConfig& app) { return {app.path, app.cwd}; }

void resolve(ResolvedPlace& place) {
  for (std::string& folder : place.path) folder = real_path(folder);
  if (!place.cwd.empty()) place.cwd = real_path(place.cwd);
}

MakeCommand make_command(const AppConfig& app, const Snapshot& snapshot, const ResolvedPlace& place,
                         const AppRecord& record, const Environment& environment) {
  // What lies below the tree moves with it, the rest is where it was when the attempt began.
  const auto placed = [&](const std::string& configured, const std::string& resolved) {
    std::string rebased = rebase(configured, app.tree, snapshot.root);
    return rebased.empty() ? resolved : rebased;
  };
  MakeCommand command;
  command.app = app.name;
  command.threads = app.threads;
  InterpreterSpec& spec = command.spec;
  spec.tree = snapshot.root;
  spec.roots = snapshot.roots;
  Entry entry = classify_entry(app.entry);
  const std::string file = snapshot.root + "/" + entry.name;
  const SnapshotFile* found = snapshot.find(file);  // as data: it was one and is gone
  if (entry.kind == EntryKind::module && found != nullptr && found->kind == SnapshotKind::source)
    entry.kind = EntryKind::file;
  spec.entry.kind = entry.kind == EntryKind::file     ? "file"
                    : entry.kind == EntryKind::django ? "django"
                                                      : "module";
  if (entry.kind == EntryKind::module) {
    spec.entry.module = entry.name;
  } else {
    spec.entry.path = file;
  }
  spec.entry.callable = app.callable;
  for (std::size_t i = 0; i < app.path.size(); ++i) {
    const bool known = i < place.path.size();
    spec.path.push_back(placed(app.path[i], known ? place.path[i] : app.path[i]));
  }
  spec.cwd = app.cwd.empty() ? snapshot.root : placed(app.cwd, place.cwd.empty() ? app.cwd : place.cwd);
  spec.env = environment;
  spec.venv = placed(app.venv, app.venv);
  spec.argv = {spec.entry.path.empty() ? entry.name : spec.entry.path};
  spec.script_name = app.routes.empty() ? "" : app.routes.front().prefix;
  spec.debug = app.debug;
  spec.multiprocess = app.interpreters > 1;
  spec.preimport = record.preimport;
  spec.signals = app.signals == SignalPolicy::error ? "error" : "ignore";
  spec.python_flags = app.python_flags;
  spec.preload = app.preload;
  spec.exports = app.exports;
  for (const auto& [prefix, folder] : app.static_files) spec.static_paths.push_back(prefix);
  spec.max_payload = app.max_payload;
  spec.scratch_interpreters = app.scratch_interpreters;
  spec.may_move = app.isolation == Isolation::automatic;
  return command;
}

}  // namespace moult
