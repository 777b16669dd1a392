#pragma once

#include "ipc/base/clock.h"
#include "ipc/base/count_of.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace moult::ctl {

// How to show things: a value that main makes once from the terminal, the options and the clock.
struct Look {
  bool terminal = false;
  bool colour = false;
  bool error_colour = false;  // on stderr
  int width = 0;              // of the terminal; 0: none, nothing is cut
  WallTime now{};
};

enum class Tone { plain, good, warning, bad, dim, strong };
std::string in_tone(std::string_view text, Tone tone, const Look& look);
Tone tone_of_state(std::string_view state);

std::string human_bytes(double bytes);      // "16.5M"
std::string human_seconds(double seconds);  // "38ms", "1.2s", "2d3h"
std::string human_number(double number);    // "11.4", "103k"
// "2026-11-21 02:29:29Z (3s ago)" of an RFC 3339 time; other text as it is.
std::string human_time(const std::string& rfc3339, const Look& look);
std::optional<WallTime> parse_rfc3339(const std::string& text);

// Bytes that an app chose may not steer the terminal: control characters but newline and tab become
// U+FFFD. Everything of a daemon's answer that goes to a terminal passes here.
std::string printable(std::string_view text);

std::size_t display_width(std::string_view text);
// At most `width` columns; what is cut ends in "…".
std::string cut(std::string_view text, std::size_t width);
// Lines of at most `width` columns where there are spaces to break at.
std::string wrap(std::string_view text, std::size_t width);
std::string indent(std::string_view text, std::string_view margin);

}  // namespace moult::ctl
