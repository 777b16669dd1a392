#pragma once

#include "daemon/config/value_reader.h"

#include <map>
#include <string>
#include <vector>

namespace moult {

// The settings of an app that have rules of their own: each checks the value and sets its member of
// `into`, or adds an error and leaves it.
void read_tree(ValueReader& reader, const Value& value, AppConfig& into);
void read_entry(ValueReader& reader, const Value& value, AppConfig& into);
void read_callable(ValueReader& reader, const Value& value, AppConfig& into);
void read_python(ValueReader& reader, const Value& value, AppConfig& into);
void read_venv(ValueReader& reader, const Value& value, AppConfig& into);
void read_path_entries(ValueReader& reader, const Value& value, AppConfig& into);
void read_cwd(ValueReader& reader, const Value& value, AppConfig& into);
void read_env(ValueReader& reader, const Value& value, AppConfig& into);
void read_env_file_setting(ValueReader& reader, const Value& value, AppConfig& into);
void read_python_flags(ValueReader& reader, const Value& value, AppConfig& into);
void read_exports(ValueReader& reader, const Value& value, AppConfig& into);
void read_preload(ValueReader& reader, const Value& value, AppConfig& into);
void read_group(ValueReader& reader, const Value& value, AppConfig& into);
void read_routes(ValueReader& reader, const Value& value, AppConfig& into);
void read_static(ValueReader& reader, const Value& value, AppConfig& into);
void read_watch(ValueReader& reader, const Value& value, AppConfig& into);
void read_ignore(ValueReader& reader, const Value& value, AppConfig& into);
void read_warmup(ValueReader& reader, const Value& value, AppConfig& into);

// As TOML: { A = "b" } and ["example.org/shop"].
std::string toml_inline_table(const std::map<std::string, std::string>& table);
std::string routes_text(const std::vector<RoutePattern>& routes);
std::string to_string(const RoutePattern& route);

// The name of an app: [a-z0-9][a-z0-9_.-]*, at most 64 characters.
bool is_app_name(std::string_view name);

}  // namespace moult
