#include "ipc/base/clock.h"

#include <fmt/format.h>

#include <ctime>

namespace moult {

namespace {

int milliseconds_of(WallTime time) {
  const auto since = std::chrono::duration_cast<Milliseconds>(time.time_since_epoch()).count();
  return static_cast<int>(since % 1000);
}

}  // namespace

std::string rfc3339(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, milliseconds_of(time));
}

std::string rfc3339_now() { return rfc3339(std::chrono::system_clock::now()); }

std::string local_time_of_day() {
  const WallTime now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  return fmt::format("{:02}:{:02}:{:02}.{:03}", parts.tm_hour, parts.tm_min, parts.tm_sec,
                     milliseconds_of(now));
}

}  // namespace moult
