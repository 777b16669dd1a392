#pragma once

#include "control/method.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace moult::control {

// The lines of JSON-RPC 2.0 (https://www.jsonrpc.org/specification) as values. Pure.

// A request that may be run. `id` is the text of the JSON id, "" for a notification.
struct Request {
  std::string id;
  std::string method;
  std::unique_ptr<Json> params;
};

// What a line is instead: the number of the error and what to answer. `id` as far as it is known.
struct BadRequest {
  std::string id = "null";
  int code = 0;
  Error error;
};

std::variant<Request, BadRequest> parse_request(std::string_view line);

// Lines with their newline. Text that is no UTF-8 becomes U+FFFD.
std::string ok_line(const std::string& id, const Json& result);
std::string error_line(const std::string& id, int code, const Error& error, const Json& more);
std::string notice_line(std::string_view kind, const std::string& request_id, const Json& what);

}  // namespace moult::control
