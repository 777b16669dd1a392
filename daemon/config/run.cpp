// `moultd run`: a config without config files.
#include "daemon/config/app_values.h"
#include "daemon/config/draft.h"
#include "daemon/config/entry.h"
#include "daemon/config/paths.h"
#include "daemon/config/python_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace moult {

namespace {

namespace fs = std::filesystem;

Failure usage(std::string message, std::string hint = {}) {
  return fail(Error{ErrorCode::usage, std::move(message), {}, {}, 0, std::move(hint)});
}

// What PATH[:CALLABLE] means: the members of AppConfig that follow from it.
struct Target {
  std::string tree;
  std::string entry;
  std::string name;
  bool is_file = false;
};

std::string last_part(const fs::path& path) {
  const std::string name = path.filename();
  return name.empty() ? "root" : name;
}

Result<Target> from_folder(const std::string& folder) {
  auto entry = find_entry(folder);
  // A package that is served as a whole: `moultd run flaskr`.
  const fs::path path(folder);
  std::error_code code;
  if (!entry && entries_in(folder).empty() && is_dotted_name(path.filename().string()) &&
      fs::is_regular_file(path / "__init__.py", code)) {
    return Target{path.parent_path(), path.filename(), path.filename(), false};
  }
  if (!entry) {
    Error error = std::move(entry.error());
    error.code = ErrorCode::usage;
    error.hint =
        fmt::format("name the file: moultd run {}/{}", folder == "/" ? "" : folder,
                    error.message.find("several") == std::string::npos ? "FILE.py[:CALLABLE]" : "app.py");
    return fail(std::move(error));
  }
  return Target{folder, entry->name, last_part(folder), false};
}

Target from_file(const std::string& file) {
  const fs::path path(file);
  std::string entry = path.filename();
  if (classify_entry(entry).kind == EntryKind::module) entry.insert(0, "./");  // a file without a suffix
  return Target{path.parent_path(), std::move(entry), path.stem(), true};
}

// "package.module" below the current folder: a file, or a package with __init__.py.
Result<Target> from_module(const std::string& module, const std::string& folder,
                           const std::string& whole_path) {
  const bool dotted = module.find('/') == std::string::npos && !module.ends_with(".py") && !module.empty();
  std::string below = module;
  std::replace(below.begin(), below.end(), '.', '/');
  const std::string candidates[] = {fmt::format("{}/{}.py", folder, below),
                                    fmt::format("{}/{}/__init__.py", folder, below)};
  std::error_code code;
  for (const std::string& candidate : candidates) {
    if (dotted && fs::is_regular_file(candidate, code)) return Target{folder, module, module, false};
  }
  return usage(dotted ? fmt::format("nothing to serve: looked for {}, {} and {}", whole_path, candidates[0],
                                    candidates[1])
                      : fmt::format("{}: no such file or folder", whole_path),
               "moultd run FILE.py, FOLDER or package.module, with :CALLABLE where it has an unusual name");
}

Result<Target> find_target(const std::string& written, const std::string& folder, const std::string& home) {
  MOULT_ASSIGN(const std::string path, absolute_path(written, folder, home));
  std::error_code code;
  if (fs::is_directory(path, code)) return from_folder(path);
  if (fs::is_regular_file(path, code)) return from_file(path);
  if (fs::exists(path, code)) return usage(fmt::format("{}: neither a file nor a folder", path));
  if (written.find('/') != std::string::npos && fs::is_regular_file(path + ".py", code))
    return from_file(path + ".py");
  return from_module(written, folder, path);
}

// The part of the target before the callable: all of it where such a file exists ("a:b.py").
EntryText split_target(const std::string& target, const std::string& folder, const std::string& home) {
  std::error_code code;
  const auto whole = absolute_path(target, folder, home);
  if (whole && fs::exists(*whole, code)) return {target, {}};
  return split_entry(target);
}

std::string sanitised(const std::string& text) {
  std::string name;
  for (const char c : text) {
    const bool upper = c >= 'A' && c <= 'Z';
    const std::string plain(1, upper ? static_cast<char>(c - 'A' + 'a') : c);
    const bool first = name.empty();
    if (is_app_name(plain) || (!first && (c == '_' || c == '.' || c == '-'))) {
      name += plain;
    } else if (!first) {
      name += '-';
    }
  }
  if (name.size() > 64) name.resize(64);
  while (name.ends_with('-') || name.ends_with('.')) name.pop_back();
  return name.empty() ? "app" : name;
}

Value as_value(auto data) { return Value{std::move(data), 0, 0}; }

Value list_of(const std::vector<std::string>& texts) {
  Value::Array items;
  for (const std::string& text : texts) items.push_back(as_value(text));
  return as_value(std::move(items));
}

// "URL=DIR", each.
Result<Value> table_of(const std::vector<std::string>& pairs) {
  Value::Table table;
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos)
      return usage(fmt::format("--static: \"{}\" is no URL=DIR", pair), "write --static /static/=FOLDER");
    table.push_back(Member{pair.substr(0, equals), 0, 0, as_value(pair.substr(equals + 1))});
  }
  return as_value(std::move(table));
}

// Where a virtual environment may lie: the tree, and from there up to the current folder.
std::vector<std::string> folders_of(const std::string& tree, const std::string& current) {
  std::vector<std::string> folders{tree};
  if (!tree.starts_with(current == "/" ? current : current + "/")) return folders;
  for (fs::path folder(tree); folder != current && folder.has_relative_path();) {
    folder = folder.parent_path();
    folders.push_back(folder);
  }
  return folders;
}

// Relative entries mean what they mean to python3: the folder where it is started.
void keep_python_path(const Surroundings& from, const std::string& folder, AppConfig& app) {
  const std::string written = from.variable("PYTHONPATH");
  if (written.empty()) return;
  std::string whole;
  for (std::size_t at = 0; at <= written.size();) {
    const std::size_t end = std::min(written.find(':', at), written.size());
    const std::string entry = written.substr(at, end - at);
    if (at > 0) whole += ':';
    whole += entry.starts_with('/') ? entry : (fs::path(folder) / entry).lexically_normal().string();
    at = end + 1;
  }
  if (whole != written) app.env["PYTHONPATH"] = whole;
}

// Options go through the same readers as a config file, so that they have the same rules.
Result<> read_options(const RunOptions& options, const std::string& folder, const std::string& home,
                      const std::string& callable, Config& config, AppConfig& app) {
  ConfigErrors errors;
  ValueReader reader({}, folder, home, errors);
  reader.set_key("--listen");
  const std::vector<std::string> standard{"127.0.0.1:8000"};
  read_listen(reader, list_of(options.listen.empty() ? standard : options.listen), config.daemon.listen);
  reader.set_key("--threads");
  if (const auto threads = reader.integer(as_value(std::int64_t{options.threads}), 1, kThreadsMax)) {
    app.threads = static_cast<int>(*threads);
  }
  const auto read = [&](const char* option, const Value& value) {
    reader.set_key(option);
    for (const auto& setting : app_settings()) {
      if ("--" + setting.key == option || "--" + setting.alias == option) setting.read(reader, value, app);
    }
  };
  const std::pair<const char*, const std::string*> texts[] = {
      {"--python", &options.python}, {"--venv", &options.venv}, {"--isolation", &options.isolation}};
  for (const auto& [option, text] : texts) {
    if (!text->empty()) read(option, as_value(*text));
  }
  if (!options.routes.empty()) read("--route", list_of(options.routes));
  if (!options.static_folders.empty()) {
    MOULT_ASSIGN(const Value folders, table_of(options.static_folders));
    read("--static", folders);
  }
  reader.set_key("--env-file");
  if (!options.env_file.empty()) read_env_file_setting(reader, as_value(options.env_file), app);
  app.debug = options.debug;
  reader.set_key("CALLABLE");
  if (!callable.empty()) read_callable(reader, as_value(callable), app);
  if (errors.empty()) return {};
  errors.front().code = ErrorCode::usage;
  return fail(std::move(errors.front()));
}

}  // namespace

Result<Config> config_for_run(const RunOptions& options, const std::string& current_folder) {
  const Surroundings surroundings = current_surroundings();
  const std::string& home = surroundings.home;
  const EntryText parts = split_target(options.target, current_folder, home);
  if (parts.entry.empty()) return usage("nothing to serve", "moultd run PATH[:CALLABLE]");
  MOULT_ASSIGN(const Target target, find_target(parts.entry, current_folder, home));

  Config config;
  AppConfig app;
  app.tree = target.tree;
  app.entry = target.entry;
  app.single_file_allowed = target.is_file;
  app.drain_timeout = Milliseconds(10'000);
  app.settle = Milliseconds(20);
  app.name = options.name.empty() ? sanitised(target.name) : options.name;
  if (!is_app_name(app.name)) {
    return usage(fmt::format("--name: \"{}\" is not the name of an app", app.name),
                 "lower case letters, digits, _ . and -, at most 64, a letter or digit first");
  }
  MOULT_TRY(read_options(options, current_folder, home, parts.callable, config, app));
  choose_python(app, {surroundings.variable("VIRTUAL_ENV"), surroundings.variable("PATH"),
                      surroundings.variable("PYENV_VERSION"), folders_of(app.tree, current_folder)});
  if (auto fault = venv_fault(app, "?")) {
    fault->code = ErrorCode::usage;
    return fail(std::move(*fault));
  }
  keep_python_path(surroundings, current_folder, app);
  config.daemon.access_log = !options.quiet;
  config.apps.push_back(std::move(app));
  return config;
}

}  // namespace moult
