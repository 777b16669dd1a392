#include "ipc/base/log.h"

#include "ipc/base/clock.h"
#include "ipc/base/count_of.h"

#include <unistd.h>
#include <cstdlib>

namespace moult {

namespace {

// The length of the valid UTF-8 sequence at the start of `text` (Unicode 15, table 3-7), 0 if none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return follows(1, low, high) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return follows(1, low, high) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

std::string_view colour_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "\x1b[2m";
    case LogLevel::info: return "";
    case LogLevel::warning: return "\x1b[33m";
    case LogLevel::error: return "\x1b[31m";
  }
  return "";
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
  }
  return "info";
}

void append_json_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      out += "\\ufffd";
      text.remove_prefix(1);
      continue;
    }
    if (first == '"' || first == '\\') {
      out += '\\';
      out += text[0];
    } else if (first == '\n') {
      out += "\\n";
    } else if (first < 0x20 || first == 0x7F) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(first));
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
}

Log::Log(Format format, LogLevel threshold) : threshold_(threshold) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  human_ = format == Format::human || (format == Format::automatic && terminal);
  const char* no_colour = std::getenv("NO_COLOR");  // https://no-color.org
  colour_ = terminal && (no_colour == nullptr || *no_colour == '\0');
}

void Log::debug(std::string_view text, std::initializer_list<LogField> fields) {
  write(LogLevel::debug, text, fields);
}
void Log::info(std::string_view text, std::initializer_list<LogField> fields) {
  write(LogLevel::info, text, fields);
}
void Log::warning(std::string_view text, std::initializer_list<LogField> fields) {
  write(LogLevel::warning, text, fields);
}
void Log::error(std::string_view text, std::initializer_list<LogField> fields) {
  write(LogLevel::error, text, fields);
}

void Log::print(std::string_view text, std::initializer_list<LogField> fields) {
  if (brief_) {
    write_line(LogLevel::info, text, std::string(text));
  } else {
    info(text, fields);
  }
}

void Log::write(LogLevel level, std::string_view text, std::initializer_list<LogField> fields) {
  if (level < threshold_) return;
  write_line(level, text, line_of(level, text, fields));
}

std::string Log::line_of(LogLevel level, std::string_view text,
                         std::initializer_list<LogField> fields) const {
  std::string line;
  if (human_) {
    if (colour_) line += colour_of(level);
    line += local_time_of_day();
    line += ' ';
    if (level != LogLevel::info) line += fmt::format("{}: ", to_string(level));
    line += text;
    if (!brief_) {
      for (const LogField& field : fields) line += fmt::format(" {}={}", field.key, field.value);
    }
    if (colour_) line += "\x1b[0m";
  } else {
    line += fmt::format(R"({{"time":"{}","level":"{}","message":")", rfc3339_now(), to_string(level));
    append_json_escaped(line, text);
    line += '"';
    for (const LogField& field : fields) {
      line += fmt::format(R"(,"{}":)", field.key);
      if (field.is_number) {
        line += field.value;
        continue;
      }
      line += '"';
      append_json_escaped(line, field.value);
      line += '"';
    }
    line += '}';
  }
  return line;
}

void Log::write_in_background(std::uint64_t file_max) {
  // The writer's thread may outlive us: it has a log of its own to ask for the form of a line.
  Log form(human_ ? Format::human : Format::json);
  form.brief_ = brief_;
  auto confess = [form = std::make_shared<Log>(std::move(form))](std::uint64_t lines) {
    return form->line_of(
               LogLevel::warning,
               fmt::format("{} dropped here: nobody took what the log had", count_of(lines, "line")),
               {{"lines", lines}}) +
           '\n';
  };
  writer_ =
      std::make_unique<LogWriter>(STDERR_FILENO, LogWriter::Limits{.file = file_max}, std::move(confess));
}

void Log::reopen() {
  if (writer_) writer_->reopen();
}

void Log::write_line(LogLevel level, std::string_view text, std::string line) const {
  line += '\n';
  // A log that cannot be written must not stop the daemon; there is nowhere to say so either.
  if (writer_) {
    writer_->add(line);
  } else {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  }
  if (tap_) tap_(level, text);
}

}  // namespace moult
