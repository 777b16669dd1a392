#pragma once

#include "daemon/config/config.h"

#include <string>
#include <utility>
#include <vector>

namespace moult {

// A TOML key and its effective value as TOML text: {"threads", "4"}, {"gil", "\"auto\""}. Read back
// by load_config, the lines give the same settings.
using SettingText = std::pair<std::string, std::string>;

std::vector<SettingText> describe_app(const AppConfig& app);
std::vector<SettingText> describe_daemon(const DaemonConfig& daemon);

// All keys, in the order of docs/configuration.md.
std::vector<std::string> app_keys();
std::vector<std::string> daemon_keys();

}  // namespace moult
