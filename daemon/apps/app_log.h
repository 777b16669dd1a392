#pragma once

#include "ipc/base/clock.h"
#include "ipc/base/error.h"
#include "ipc/uv/loop.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// One line of an app's log.
struct LogLine {
  WallTime time{};
  std::uint64_t generation = 0;  // 0: of no generation
  std::string stream;            // stdout, stderr, log, moult
  std::string text;
};
std::string to_text(const LogLine& line);
// Reads what to_text wrote; false when it is something else.
bool parse_log_line(std::string_view text, LogLine& line);

std::string log_file(const std::string& folder);  // of the app with this state folder
// Blocks. The lines at the end of a log, as far as they are whole; none when it cannot be read.
std::deque<LogLine> last_lines(const std::string& file);

// The log of one app: FILE, rotated by size to FILE.1 … FILE.n, written by one background job at a
// time from a bounded buffer (full: lines are dropped and counted). The last lines are kept in memory
// for `moultctl logs`. Owned by the App; loop thread only. What is left at its end is still written. Lines
// that could not be written are counted with those that were dropped, and `on_problem` is told why, once.
class AppLog {
 public:
  static constexpr std::size_t kKept = 2000;
  static constexpr std::size_t kBufferMax = 1 << 20;

  using OnProblem = std::function<void(const Error&)>;
  // `before`: the last lines that the file holds.
  AppLog(uv::Loop& loop, std::string file, std::deque<LogLine> before, std::uint64_t max_size, int keep,
         OnProblem on_problem = {});
  ~AppLog();
  AppLog(const AppLog&) = delete;
  AppLog& operator=(const AppLog&) = delete;

  void add(LogLine line);
  void set_limits(std::uint64_t max_size, int keep);
  // Called for each line that comes; for followers and for the terminal.
  int follow(std::function<void(const LogLine&)> on_line);
  void unfollow(int id);

  const std::deque<LogLine>& lines() const { return lines_; }
  const std::string& file() const { return file_; }
  std::uint64_t dropped() const;
  // Why the last lines could not be written; empty when they were.
  const std::string& problem() const;

 private:
  struct Writer;

  std::string file_;
  std::deque<LogLine> lines_;
  std::uint64_t dropped_ = 0;
  std::uint64_t dropped_told_ = 0;
  int next_follower_ = 1;
  std::vector<std::pair<int, std::function<void(const LogLine&)>>> followers_;
  std::shared_ptr<Writer> writer_;  // with the job under way, which may outlive this
};

}  // namespace moult
