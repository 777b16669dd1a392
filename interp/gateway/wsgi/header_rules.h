#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace moult {

// What an app may say in a response's head (RFC 9110, PEP 3333). Pure functions of text.

struct Status {
  std::uint16_t code = 0;
  std::string_view reason;
};
// "200 OK", "204"; nothing when it is not three digits from 200 on, a space and a reason that can
// stand in a status line.
std::optional<Status> parse_status(std::string_view text);

bool is_token(std::string_view name);
// No CR, LF, NUL or other control character but the tab: nothing that could begin a second header.
bool is_field_value(std::string_view value);
bool equal_ignoring_case(std::string_view text, std::string_view lower);
// Connection, Keep-Alive, …: they belong to the connection, which is the daemon's; and Status.
bool is_hop_by_hop(std::string_view name);
std::optional<std::uint64_t> parse_length(std::string_view digits);
// Responses that have no body whatever the app yields.
bool forbids_body(std::uint16_t status);

}  // namespace moult
