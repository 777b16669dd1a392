#include "interp/gateway/wsgi/header_rules.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace moult {

namespace {

constexpr std::array<bool, 256> token_table() {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    table[c] = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> value_table() {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < 256; ++c) table[c] = c == '\t' || (c >= 0x20 && c != 0x7F);
  return table;
}
constexpr auto kToken = token_table();
constexpr auto kValue = value_table();

bool all_in(const std::array<bool, 256>& table, std::string_view text) {
  return std::all_of(text.begin(), text.end(), [&](char c) { return table[static_cast<unsigned char>(c)]; });
}

}  // namespace

std::optional<Status> parse_status(std::string_view text) {
  if (text.size() < 3 || (text.size() > 3 && text[3] != ' ')) return std::nullopt;
  std::uint16_t code = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 3, code);
  if (error != std::errc() || end != text.data() + 3 || code < 200 || code > 999) return std::nullopt;
  const std::string_view reason = text.size() > 4 ? text.substr(4) : std::string_view();
  if (!is_field_value(reason)) return std::nullopt;
  return Status{code, reason};
}

bool is_token(std::string_view name) { return !name.empty() && all_in(kToken, name); }

bool is_field_value(std::string_view value) { return all_in(kValue, value); }

bool equal_ignoring_case(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

bool is_hop_by_hop(std::string_view name) {
  constexpr std::array<std::string_view, 11> kNames = {"te",
                                                       "status",
                                                       "upgrade",
                                                       "trailer",
                                                       "trailers",
                                                       "connection",
                                                       "keep-alive",
                                                       "proxy-connection",
                                                       "transfer-encoding",
                                                       "proxy-authenticate",
                                                       "proxy-authorization"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view known) { return equal_ignoring_case(name, known); });
}

std::optional<std::uint64_t> parse_length(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

bool forbids_body(std::uint16_t status) { return status == 204 || status == 205 || status == 304; }

}  // namespace moult
