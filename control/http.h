#pragma once

#include "control/method.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace moult::control {

// The read-only HTTP face of the control socket, for curl: one GET per connection. Pure.

// Whether the first bytes of a connection are HTTP's and not a JSON line.
bool looks_like_http(std::string_view bytes);

// The end of the request's head, if it is there.
std::optional<std::size_t> end_of_head(std::string_view bytes);

// What a GET asks for. A method that changes nothing; or, with status other than 200, the answer.
struct HttpRequest {
  int status = 200;
  std::string method;
  std::unique_ptr<Json> params;
  Error error{};
};
HttpRequest parse_http(std::string_view head);

std::string http_response(int status, std::string_view body);
int http_status(ErrorCode code);

}  // namespace moult::control
