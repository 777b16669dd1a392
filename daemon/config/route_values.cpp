// Routes, listeners and static folders as settings.
#include "daemon/config/app_values.h"
#include "daemon/config/setting.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace moult {

namespace {

// "/static/": starts and ends with a slash and is not all of the app.
bool is_static_prefix(const std::string& prefix) {
  return prefix.size() > 2 && prefix.front() == '/' && prefix.back() == '/' &&
         prefix.find("//") == std::string::npos && prefix.find("/../") == std::string::npos &&
         prefix.find("/./") == std::string::npos && prefix.find_first_of("?#%*") == std::string::npos &&
         std::none_of(prefix.begin(), prefix.end(),
                      [](char c) { return static_cast<unsigned char>(c) <= 0x20; });
}

std::string static_hint(const std::string& prefix) {
  if (prefix == "/") return "it would hide the whole app; write \"/static/\"";
  const bool slash = !prefix.empty() && prefix.back() != '/';
  return slash ? fmt::format("write \"{}{}/\"", prefix.front() == '/' ? "" : "/", prefix)
               : "write \"/static/\"";
}

std::string listen_item(const ListenAddress& address) {
  if (!address.is_unix() || (address.mode == ListenAddress{}.mode && address.group.empty())) {
    return toml_string(to_string(address));
  }
  const std::string wire =
      address.wire == Wire::http ? "" : fmt::format(", wire = \"{}\"", to_string(address.wire));
  return fmt::format("{{ unix = {}, mode = \"{:04o}\", group = {}{} }}", toml_string(address.unix_path),
                     address.mode, toml_string(address.group), wire);
}

}  // namespace

void read_routes(ValueReader& reader, const Value& value, AppConfig& into) {
  std::vector<RoutePattern> routes;
  bool good = true;
  for (const auto& [at, text] : reader.texts(value)) {
    auto route = parse_route(text);
    good = good && route;
    if (!route) {
      reader.error(*at, route.error());
    } else if (std::find(routes.begin(), routes.end(), *route) != routes.end()) {
      reader.error(*at, fmt::format("\"{}\" is there twice", text));
    } else {
      routes.push_back(std::move(*route));
    }
  }
  if (good) into.routes = std::move(routes);
}

void read_static(ValueReader& reader, const Value& value, AppConfig& into) {
  const auto* table = value.get_if<Value::Table>();
  if (table == nullptr) {
    return reader.error(value, fmt::format("must be a table, not {}", value.kind()),
                        "static = { \"/static/\" = \"PATH\" }");
  }
  for (const Member& member : *table) {
    reader.set_key(fmt::format("static.\"{}\"", member.key));
    if (!is_static_prefix(member.key)) {
      Value at;
      at.line = member.line;
      at.column = member.column;
      reader.error(at, "not a prefix for static files", static_hint(member.key));
    } else if (auto folder = reader.path(member.value, ValueReader::Exists::folder)) {
      into.static_files[member.key] = std::move(*folder);
    }
  }
  reader.set_key("static");
}

void read_listen(ValueReader& reader, const Value& value, std::vector<ListenAddress>& into) {
  std::vector<ListenAddress> addresses;
  const auto add = [&](const Value& item) {
    auto address = reader.listen(item);
    if (!address) return false;
    if (std::find(addresses.begin(), addresses.end(), *address) != addresses.end()) {
      reader.error(item, fmt::format("{} is there twice", to_string(*address)));
      return false;
    }
    addresses.push_back(std::move(*address));
    return true;
  };
  bool good = true;
  if (const auto* items = value.get_if<Value::Array>()) {
    for (const Value& item : *items) good = add(item) && good;
  } else {
    good = add(value);
  }
  if (good) into = std::move(addresses);
}

std::string to_string(const RoutePattern& route) {
  return route.host.empty() && route.prefix.empty() ? "/" : route.host + route.prefix;
}

std::string routes_text(const std::vector<RoutePattern>& routes) {
  std::vector<std::string> texts;
  texts.reserve(routes.size());
  for (const RoutePattern& route : routes) texts.push_back(to_string(route));
  return toml_list(texts);
}

std::string listen_text(const std::vector<ListenAddress>& addresses) {
  std::vector<std::string> items;
  items.reserve(addresses.size());
  for (const ListenAddress& address : addresses) items.push_back(listen_item(address));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

std::string toml_inline_table(const std::map<std::string, std::string>& table) {
  if (table.empty()) return "{}";
  std::vector<std::string> items;
  items.reserve(table.size());
  for (const auto& [key, value] : table)
    items.push_back(fmt::format("{} = {}", toml_key(key), toml_string(value)));
  return fmt::format("{{ {} }}", fmt::join(items, ", "));
}

}  // namespace moult
