#include "control/ctl/human.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace moult::ctl {

namespace {

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// One decimal below ten, none above: "1.2", "16".
std::string short_number(double number) {
  return number < 9.95 ? fmt::format("{:.1f}", number) : fmt::format("{:.0f}", number);
}

}  // namespace

std::string in_tone(std::string_view text, Tone tone, const Look& look) {
  if (!look.colour || tone == Tone::plain) return std::string(text);
  std::string_view code;
  switch (tone) {
    case Tone::good: code = "32"; break;
    case Tone::warning: code = "33"; break;
    case Tone::bad: code = "31"; break;
    case Tone::dim: code = "2"; break;
    case Tone::strong: code = "1"; break;
    case Tone::plain: break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

Tone tone_of_state(std::string_view state) {
  if (state == "running" || state == "active" || state == "ok") return Tone::good;
  if (state == "failed" || state == "rejected" || state == "lost" || state == "dead" || state == "error") {
    return Tone::bad;
  }
  if (state == "stopped" || state == "retired") return Tone::dim;
  if (state == "degraded" || state == "backoff" || state == "abandoned" || state == "warning")
    return Tone::warning;
  return Tone::plain;
}

std::string human_bytes(double bytes) {
  constexpr std::array<const char*, 5> units{"B", "K", "M", "G", "T"};
  std::size_t unit = 0;
  while (bytes >= 1023.5 && unit + 1 < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  if (unit == 0) return fmt::format("{:.0f}B", bytes);
  return fmt::format("{}{}", bytes < 99.95 ? fmt::format("{:.1f}", bytes) : fmt::format("{:.0f}", bytes),
                     units[unit]);
}

std::string human_seconds(double seconds) {
  if (seconds <= 0) return "0s";
  if (seconds < 0.0095) return fmt::format("{}ms", short_number(seconds * 1000));
  if (seconds < 0.9995) return fmt::format("{:.0f}ms", seconds * 1000);
  if (seconds < 9.95 && seconds != std::floor(seconds)) return fmt::format("{:.1f}s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d{}h", whole / 86400, whole / 3600 % 24);
}

std::string human_number(double number) {
  if (number >= 9999.5) return fmt::format("{:.0f}k", number / 1000);
  if (number >= 99.95 || number == 0) return fmt::format("{:.0f}", number);
  return fmt::format("{:.1f}", number);
}

std::optional<WallTime> parse_rfc3339(const std::string& text) {
  std::tm parts{};
  int read = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
                  &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &read) != 6 ||
      !text.ends_with('Z')) {
    return std::nullopt;
  }
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

std::string human_time(const std::string& text, const Look& look) {
  const auto time = parse_rfc3339(text);
  if (!time) return printable(text);
  const double ago = std::chrono::duration<double>(look.now - *time).count();
  std::string when = fmt::format("{} {}Z", text.substr(0, 10), text.substr(11, 8));
  if (ago < 0 || look.now == WallTime{}) return when;
  if (ago < 1) return when + " (just now)";
  return fmt::format("{} ({} ago)", when, human_seconds(std::floor(ago)));
}

std::string printable(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c1) ++i;  // U+0080 to U+009F, where one-character CSI and OSC are
    if (c1 || byte == 0x7F || (byte < 0x20 && byte != '\n' && byte != '\t')) {
      clean += "\xEF\xBF\xBD";
    } else {
      clean += text[i];
    }
  }
  return clean;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (const char byte : text) width += continues_character(byte) ? 0 : 1;
  return width;
}

std::string cut(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::size_t columns = 0;
  std::size_t end = 0;
  while (end < text.size()) {
    if (!continues_character(text[end]) && ++columns == width) break;
    ++end;
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string wrap(std::string_view text, std::size_t width) {
  std::string lines;
  std::size_t used = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    const bool fits = used + 1 + display_width(word) <= width;
    if (!lines.empty()) lines += fits ? ' ' : '\n';
    used = (lines.empty() || !fits ? 0 : used + 1) + display_width(word);
    lines += word;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string indent(std::string_view text, std::string_view margin) {
  std::string indented;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) indented += margin;
    indented += text.substr(0, end);
    indented += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return indented;
}

}  // namespace moult::ctl
