#include "control/rpc.h"

#include "ipc/base/json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace moult::control {

namespace {

constexpr int kParseError = -32700;
constexpr int kInvalidRequest = -32600;

std::string text_of(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

BadRequest bad(std::string id, int code, std::string message) {
  return BadRequest{std::move(id), code, Error{ErrorCode::usage, std::move(message)}};
}

}  // namespace

std::variant<Request, BadRequest> parse_request(std::string_view line) {
  auto parsed = parse_json(line);
  if (!parsed) return bad("null", kParseError, fmt::format("the line is {}", parsed.error().message));
  Json& json = *parsed;
  if (json.is_array())
    return bad("null", kInvalidRequest, "batches are not served: send one request per line");
  if (!json.is_object()) return bad("null", kInvalidRequest, "a request is a JSON object");
  std::string id;
  if (const auto found = json.find("id"); found != json.end()) {
    if (!found->is_string() && !found->is_number() && !found->is_null()) {
      return bad("null", kInvalidRequest, "`id` must be a number or a text");
    }
    id = text_of(*found);
  }
  const std::string answer_id = id.empty() ? "null" : id;
  if (json.value("jsonrpc", Json()) != "2.0") {
    return bad(answer_id, kInvalidRequest, "`jsonrpc` must be \"2.0\"");
  }
  const auto method = json.find("method");
  if (method == json.end() || !method->is_string()) {
    return bad(answer_id, kInvalidRequest, "`method` must be a text");
  }
  Request request{std::move(id), method->get<std::string>(), std::make_unique<Json>()};
  if (const auto params = json.find("params"); params != json.end()) *request.params = std::move(*params);
  return request;
}

std::string ok_line(const std::string& id, const Json& result) {
  return fmt::format("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{}}}\n", id, text_of(result));
}

std::string error_line(const std::string& id, int code, const Error& error, const Json& more) {
  return fmt::format("{{\"jsonrpc\":\"2.0\",\"id\":{},\"error\":{}}}\n", id,
                     text_of(error_to_json(code, error, more)));
}

std::string notice_line(std::string_view kind, const std::string& request_id, const Json& what) {
  Json params = what.is_object() ? what : Json{{"value", what}};
  params["request"] = parse_json_or_discard(request_id);
  return fmt::format("{{\"jsonrpc\":\"2.0\",\"method\":\"{}\",\"params\":{}}}\n", kind, text_of(params));
}

}  // namespace moult::control
