#include "daemon/config/diff.h"

#include "daemon/config/setting.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace moult {

namespace {

AppChange compare(const std::vector<Setting<AppConfig>>& settings, const AppConfig& old,
                  const AppConfig& now) {
  AppChange change;
  change.name = now.name;
  for (const Setting<AppConfig>& setting : settings) {
    if (setting.show(old) == setting.show(now)) continue;
    change.keys.push_back(setting.key);
    switch (setting.effect) {
      case Effect::generation: change.new_generation = true; break;
      case Effect::routes: change.routes = true; break;
      case Effect::watching: change.watching = true; break;
      case Effect::limits: change.limits = true; break;
    }
  }
  return change;
}

void add_unique(std::vector<ListenAddress>& all, const std::vector<ListenAddress>& more) {
  for (const ListenAddress& address : more) {
    if (std::find(all.begin(), all.end(), address) == all.end()) all.push_back(address);
  }
}

bool same_set(const std::vector<ListenAddress>& a, const std::vector<ListenAddress>& b) {
  return std::is_permutation(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

ConfigChange diff(const Config& old, const Config& now) {
  ConfigChange change;
  const auto app_rules = app_settings();
  auto before = old.apps.begin();
  auto after = now.apps.begin();
  while (before != old.apps.end() || after != now.apps.end()) {
    if (after == now.apps.end() || (before != old.apps.end() && before->name < after->name)) {
      change.removed.push_back((before++)->name);
    } else if (before == old.apps.end() || after->name < before->name) {
      change.added.push_back((after++)->name);
    } else {
      AppChange app = compare(app_rules, *before++, *after++);
      if (!app.keys.empty()) change.changed.push_back(std::move(app));
    }
  }
  for (const Setting<DaemonConfig>& setting : daemon_settings()) {
    if (setting.show(old.daemon) != setting.show(now.daemon)) change.daemon_keys.push_back(setting.key);
  }
  change.listeners = !same_set(listeners_of(old), listeners_of(now));
  return change;
}

const std::vector<ListenAddress>& listeners_of(const Config& config, const AppConfig& app) {
  return app.listen.empty() ? config.daemon.listen : app.listen;
}

std::vector<ListenAddress> listeners_of(const Config& config) {
  std::vector<ListenAddress> all;
  add_unique(all, config.daemon.listen);
  for (const AppConfig& app : config.apps) add_unique(all, app.listen);
  return all;
}

std::string summary(const ConfigChange& change) {
  std::vector<std::string> parts;
  const auto add = [&](const std::vector<std::string>& items, std::string_view what,
                       std::string_view between) {
    if (!items.empty())
      parts.push_back(fmt::format("{} {} ({})", items.size(), what, fmt::join(items, between)));
  };
  add(change.added, "added", ", ");
  add(change.removed, "removed", ", ");
  std::vector<std::string> apps;
  for (const AppChange& app : change.changed)
    apps.push_back(fmt::format("{}: {}", app.name, fmt::join(app.keys, ", ")));
  add(apps, "changed", "; ");
  if (!change.daemon_keys.empty())
    parts.push_back(fmt::format("daemon: {}", fmt::join(change.daemon_keys, ", ")));
  return parts.empty() ? "nothing changed" : fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace moult
