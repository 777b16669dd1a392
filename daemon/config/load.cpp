#include "daemon/config/app_values.h"
#include "daemon/config/draft.h"
#include "daemon/config/paths.h"
#include "daemon/config/toml_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <tuple>

namespace moult {

namespace {

namespace fs = std::filesystem;

// The two kinds of keys, made once per load.
struct Rules {
  std::vector<Setting<AppConfig>> app = app_settings();
  std::vector<Setting<DaemonConfig>> daemon = daemon_settings();
};

template <typename C>
std::vector<std::string> names_of(const std::vector<Setting<C>>& settings) {
  std::vector<std::string> names;
  for (const auto& setting : settings) {
    names.push_back(setting.key);
    if (!setting.alias.empty()) names.push_back(setting.alias);
  }
  return names;
}

// `here` are the keys that the file takes, `elsewhere` those that belong to another: `where` says to which.
void report_unknown(ValueReader& reader, const Member& member, const std::vector<std::string>& here,
                    const std::vector<std::string>& elsewhere, const std::string& where) {
  reader.set_key(member.key);
  std::string hint = "docs/configuration.md lists the keys";
  if (std::find(elsewhere.begin(), elsewhere.end(), member.key) != elsewhere.end()) {
    hint = fmt::format("`{}` belongs {}", member.key, where);
  } else if (const std::string near = nearest(member.key, here); !near.empty()) {
    hint = fmt::format("did you mean `{}`?", near);
  } else if (const std::string other = nearest(member.key, elsewhere); !other.empty()) {
    hint = fmt::format("did you mean `{}`? It belongs {}", other, where);
  }
  reader.error(Origin{reader.file(), member.line, member.column}, "unknown key", std::move(hint));
}

// One load of one folder; lives on the stack of load_config.
class Loader {
 public:
  Loader(std::string folder, std::string home) : folder_(std::move(folder)), home_(std::move(home)) {}

  tl::expected<Config, ConfigErrors> load() {
    daemon_.config.folder = folder_;
    daemon_.config.listen = {ListenAddress{"127.0.0.1", 8000, {}}};
    std::error_code code;
    if (!fs::is_directory(folder_, code)) {
      return tl::unexpected(ConfigErrors{
          Error{ErrorCode::config_invalid,
                fmt::format("{}: no such config folder", folder_),
                {},
                {},
                0,
                "make it and put one file per app into apps/, or serve one app without: moultd run PATH"}});
    }
    read_daemon(folder_ + "/moult.toml");
    for (const std::string& file : app_files(folder_ + "/apps")) read_app(file);
    check_apps(daemon_, apps_, errors_);
    if (!errors_.empty()) return tl::unexpected(sorted_errors());
    Config config{std::move(daemon_.config), {}};
    for (AppDraft& app : apps_) config.apps.push_back(std::move(app.config));
    return config;
  }

 private:
  void read_daemon(const std::string& file) {
    std::error_code code;
    if (!fs::exists(file, code) && !fs::is_symlink(file, code)) return;
    daemon_.config.source_file = file;
    const auto table = read_toml_file(file);
    if (!table) return errors_.push_back(table.error());
    ValueReader reader(file, folder_, home_, errors_);
    for (const Member* member : apply_settings(*table, rules_.daemon, reader, daemon_)) {
      if (member->key == "defaults") {
        read_defaults(file, *member);
      } else {
        auto here = names_of(rules_.daemon);
        here.emplace_back("defaults");
        report_unknown(reader, *member, here, names_of(rules_.app), "in apps/NAME.toml, or in [defaults]");
      }
    }
  }

  void read_defaults(const std::string& file, const Member& member) {
    ValueReader reader(file, folder_, home_, errors_);
    const auto* table = member.value.get_if<Value::Table>();
    if (table == nullptr) {
      reader.set_key(member.key);
      return reader.error(member.value, fmt::format("must be a table, not {}", member.value.kind()));
    }
    for (const Member* unknown : apply_settings(*table, rules_.app, reader, defaults_)) {
      report_unknown(reader, *unknown, names_of(rules_.app), names_of(rules_.daemon), "above [defaults]");
    }
  }

  // Hidden files are editors' (".#blog.toml"); other names are left alone too.
  std::vector<std::string> app_files(const std::string& apps) {
    std::vector<std::string> files;
    std::error_code code;
    for (fs::directory_iterator item(apps, code), end; !code && item != end; item.increment(code)) {
      const std::string name = item->path().filename();
      if (name.front() != '.' && item->path().extension() == ".toml") files.push_back(item->path());
    }
    if (code && code != std::errc::no_such_file_or_directory) {
      errors_.push_back(Error{ErrorCode::config_invalid, fmt::format("{}: {}", apps, code.message())});
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  void read_app(const std::string& file) {
    AppDraft app = defaults_;
    app.config.name = fs::path(file).stem();
    app.config.source_file = file;
    if (!is_app_name(app.config.name)) {
      errors_.push_back(config_error(Origin{file, 0, 0},
                                     fmt::format("\"{}\" is not the name of an app", app.config.name),
                                     "rename the file: lower case letters, digits, _ . and -, at most 64, "
                                     "a letter or digit first"));
    }
    const auto table = read_toml_file(file);
    if (!table) return errors_.push_back(table.error());
    ValueReader reader(file, fs::path(file).parent_path(), home_, errors_);
    for (const Member* member : apply_settings(*table, rules_.app, reader, app)) {
      report_unknown(reader, *member, names_of(rules_.app), names_of(rules_.daemon), "in moult.toml");
    }
    finish_app(app, errors_);
    apps_.push_back(std::move(app));
  }

  // By file and line, so that a person can go through them from the top. What [defaults] got wrong is
  // found again in each app, and told once.
  ConfigErrors sorted_errors() {
    const auto place = [](const Error& error) { return std::tie(error.file, error.line, error.message); };
    std::stable_sort(errors_.begin(), errors_.end(),
                     [&](const Error& a, const Error& b) { return place(a) < place(b); });
    const auto same = [&](const Error& a, const Error& b) { return place(a) == place(b); };
    errors_.erase(std::unique(errors_.begin(), errors_.end(), same), errors_.end());
    return std::move(errors_);
  }

  std::string folder_;
  std::string home_;
  Rules rules_;
  DaemonDraft daemon_;
  AppDraft defaults_;
  std::vector<AppDraft> apps_;
  ConfigErrors errors_;
};

}  // namespace

tl::expected<Config, ConfigErrors> load_config(const std::string& folder) {
  std::error_code code;
  const std::string home = current_surroundings().home;
  auto whole = absolute_path(folder, fs::current_path(code), home);
  if (!whole) return tl::unexpected(ConfigErrors{whole.error()});
  return Loader(std::move(*whole), home).load();
}

}  // namespace moult
