#include "daemon/config/describe.h"

#include "daemon/config/setting.h"

namespace moult {

namespace {

template <typename C>
std::vector<SettingText> describe(const std::vector<Setting<C>>& settings, const C& config) {
  std::vector<SettingText> lines;
  lines.reserve(settings.size());
  for (const Setting<C>& setting : settings) lines.emplace_back(setting.key, setting.show(config));
  return lines;
}

template <typename C>
std::vector<std::string> keys(const std::vector<Setting<C>>& settings) {
  std::vector<std::string> all;
  for (const Setting<C>& setting : settings) {
    all.push_back(setting.key);
    if (!setting.alias.empty()) all.push_back(setting.alias);
  }
  return all;
}

}  // namespace

std::vector<SettingText> describe_app(const AppConfig& app) { return describe(app_settings(), app); }

std::vector<SettingText> describe_daemon(const DaemonConfig& daemon) {
  return describe(daemon_settings(), daemon);
}

std::vector<std::string> app_keys() { return keys(app_settings()); }

std::vector<std::string> daemon_keys() { return keys(daemon_settings()); }

}  // namespace moult
