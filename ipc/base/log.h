#pragma once

#include "ipc/base/log_writer.h"

#include <fmt/format.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace moult {

enum class LogLevel { debug, info, warning, error };
std::string_view to_string(LogLevel level);

// One key and its value in a log line: {"app", name}. A number is one in JSON, too.
struct LogField {
  LogField(std::string_view its_key, std::string text) : key(its_key), value(std::move(text)) {}
  template <typename Number, std::enable_if_t<std::is_arithmetic_v<Number>, int> = 0>
  LogField(std::string_view its_key, Number number)
      : key(its_key), value(fmt::to_string(number)), is_number(true) {}

  std::string_view key;
  std::string value;
  bool is_number = false;
};

// Writes one line per event to stderr: human text on a terminal, one JSON object a line otherwise
// ("human" and "json" force either). One per process, built by main and passed by reference; loop
// thread only. A line is one write(2), so lines of several processes do not mix. That write blocks as
// long as the reader of stderr likes, unless write_in_background() was called.
class Log {
 public:
  enum class Format { automatic, human, json };

  explicit Log(Format format = Format::automatic, LogLevel threshold = LogLevel::info);

  void debug(std::string_view text, std::initializer_list<LogField> fields = {});
  void info(std::string_view text, std::initializer_list<LogField> fields = {});
  void warning(std::string_view text, std::initializer_list<LogField> fields = {});
  void error(std::string_view text, std::initializer_list<LogField> fields = {});

  // A line of an app's own, which stands as it is among brief lines.
  void print(std::string_view text, std::initializer_list<LogField> fields);

  // Human lines without their keys and values, for one who watches one app (`moultd run`). Lines that
  // have to be understood say it in words. Not with LogLevel::debug, nor for JSON.
  void make_brief() { brief_ = human_ && threshold_ != LogLevel::debug; }
  bool is_brief() const { return brief_; }
  bool has_colour() const { return human_ && colour_; }

  // From now on a LogWriter writes. `file_max`: at which size a log file is rotated; 0: never.
  void write_in_background(std::uint64_t file_max);
  void reopen();  // a log file that was moved away is made again
  std::uint64_t dropped() const { return writer_ ? writer_->dropped() : 0; }

  void set_threshold(LogLevel threshold) { threshold_ = threshold; }
  // Where lines go besides stderr ("moultctl events", tests). At most one.
  void set_tap(std::function<void(LogLevel, std::string_view)> tap) { tap_ = std::move(tap); }

 private:
  void write(LogLevel level, std::string_view text, std::initializer_list<LogField> fields);
  std::string line_of(LogLevel level, std::string_view text, std::initializer_list<LogField> fields) const;
  void write_line(LogLevel level, std::string_view text, std::string line) const;

  bool human_;
  bool colour_;
  bool brief_ = false;
  LogLevel threshold_;
  std::function<void(LogLevel, std::string_view)> tap_;
  std::unique_ptr<LogWriter> writer_;
};

// Appends `text` as the inside of a JSON string, without the quotes; bytes that are not UTF-8
// become U+FFFD.
void append_json_escaped(std::string& out, std::string_view text);

}  // namespace moult
