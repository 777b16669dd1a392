#include "daemon/apps/app_past.h"

#include "ipc/base/fd.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

namespace {

constexpr std::uint64_t kNumberMax = 1'000'000'000;  // beyond: no log of ours

AppPast read_past(const std::string& folder) {
  AppPast past{read_record(folder), last_lines(log_file(folder))};
  // No number is given twice, whatever became of the state file.
  std::uint64_t& next = past.record.record.next_generation;
  for (const LogLine& line : past.lines) {
    if (line.generation < kNumberMax) next = std::max(next, line.generation + 1);
  }
  return past;
}

}  // namespace

Result<AppPasts> read_pasts(const std::string& state_folder, const Config& config,
                            const std::vector<std::string>& known) {
  AppPasts pasts;
  for (const AppConfig& app : config.apps) {
    if (std::find(known.begin(), known.end(), app.name) != known.end()) continue;
    const std::string folder = fmt::format("{}/apps/{}", state_folder, app.name);
    MOULT_TRY(make_folders(folder));
    pasts[app.name] = read_past(folder);
  }
  return pasts;
}

}  // namespace moult
