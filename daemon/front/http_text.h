#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Small pure functions on the text of HTTP messages (RFC 9110, 9112, 3986). Nothing here allocates,
// except where it appends to a caller's string.

namespace moult::http {

inline constexpr std::array<bool, 256> kTokenChars = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

// What a field value may hold: everything but control characters, HTAB excepted.
inline constexpr std::array<bool, 256> kValueChars = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0; c < 256; ++c) table[c] = (c >= 0x20 && c != 0x7f) || c == '\t';
  return table;
}();

constexpr bool is_token_char(char c) { return kTokenChars[static_cast<unsigned char>(c)]; }
constexpr bool is_value_char(char c) { return kValueChars[static_cast<unsigned char>(c)]; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_token(std::string_view text);          // not empty, token characters only
std::string_view trim(std::string_view text);  // SP and HTAB at both ends
// `lower_case` must be lower case already.
bool equals_ignoring_case(std::string_view text, std::string_view lower_case);
std::optional<std::uint64_t> parse_decimal(std::string_view text);  // 1*DIGIT that fits

// Takes the next element of a comma-separated list off `list`, trimmed; empty ones are skipped.
std::optional<std::string_view> next_element(std::string_view& list);

// Appends `text` with percent escapes decoded. False for a bad escape and for %00.
bool append_percent_decoded(std::string& out, std::string_view text);

void append_html_escaped(std::string& out, std::string_view text);

// uri-host [":" port] of RFC 9110: IP literal in brackets or registered name.
struct Authority {
  std::string_view host;  // with the brackets of an IP literal
  std::string_view port;  // digits, may be empty
};
std::optional<Authority> parse_authority(std::string_view text);

}  // namespace moult::http
