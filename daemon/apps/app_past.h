#pragma once

#include "daemon/apps/app_log.h"
#include "daemon/config/config.h"
#include "daemon/moult/record_file.h"

#include <deque>
#include <map>
#include <string>
#include <vector>

namespace moult {

// What an app left behind when it ran last. A value: read before the app is made, on a thread that may
// wait for the disk.
struct AppPast {
  FoundRecord record;
  std::deque<LogLine> lines;  // the end of its log
};
using AppPasts = std::map<std::string, AppPast>;  // by name

// Blocks. Of the apps of `config` that are not among `known`; their folders are made where they lack.
Result<AppPasts> read_pasts(const std::string& state_folder, const Config& config,
                            const std::vector<std::string>& known);

}  // namespace moult
