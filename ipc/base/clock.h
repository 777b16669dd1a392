#pragma once

#include <chrono>
#include <string>

namespace moult {

using Seconds = std::chrono::duration<double>;
using Milliseconds = std::chrono::milliseconds;

// Monotonic time: for deadlines and durations. Pure code takes it as an argument.
using Steady = std::chrono::steady_clock;
using SteadyTime = Steady::time_point;

// Wall-clock time: for people and for files.
using WallTime = std::chrono::system_clock::time_point;

std::string rfc3339(WallTime time);  // 2026-11-21T02:29:29.123Z
std::string rfc3339_now();
std::string local_time_of_day();  // 02:29:29.123

}  // namespace moult
