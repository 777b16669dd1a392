#include "control/http.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <vector>

namespace moult::control {

namespace {

std::string_view reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    default: return "Internal Server Error";
  }
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0) parts.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return parts;
}

HttpRequest refuse(int status, ErrorCode code, std::string message, std::string hint) {
  HttpRequest request{status, {}, nullptr, Error{code, std::move(message)}};
  request.error.hint = std::move(hint);
  return request;
}

HttpRequest ask(std::string method, Json params = Json::object()) {
  return HttpRequest{200, std::move(method), std::make_unique<Json>(std::move(params))};
}

}  // namespace

bool looks_like_http(std::string_view bytes) { return !bytes.empty() && bytes[0] >= 'A' && bytes[0] <= 'Z'; }

std::optional<std::size_t> end_of_head(std::string_view bytes) {
  const std::size_t strict = bytes.find("\r\n\r\n");
  if (strict != std::string_view::npos) return strict + 4;
  return std::nullopt;
}

HttpRequest parse_http(std::string_view head) {
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || !line.substr(second + 1).starts_with("HTTP/1.")) {
    return refuse(400, ErrorCode::usage, "this is neither a JSON-RPC line nor an HTTP/1.1 request", "");
  }
  if (line.substr(0, first) != "GET") {
    return refuse(405, ErrorCode::denied, "over HTTP only GET is served",
                  "to change something, send a JSON-RPC line or use moultctl");
  }
  std::string_view path = line.substr(first + 1, second - first - 1);
  path = path.substr(0, path.find('?'));
  const auto parts = split_path(path);
  const std::size_t count = parts.size();
  if (count >= 2 && parts[0] == "v1") {
    if (count == 2 && parts[1] == "status") return ask("status");
    if (count == 2 && parts[1] == "apps") return ask("list");
    if (count == 2 && parts[1] == "hosts") return ask("hosts");
    if (count == 2 && parts[1] == "version") return ask("version");
    if (count == 3 && parts[1] == "apps") return ask("status", Json{{"app", parts[2]}});
    if (count == 4 && parts[1] == "apps" && parts[3] == "generations") {
      return ask("generations", Json{{"app", parts[2]}});
    }
  }
  return refuse(
      404, ErrorCode::failed, fmt::format("there is no {}", path),
      "there are /v1/status, /v1/apps, /v1/apps/NAME, /v1/apps/NAME/generations, /v1/hosts, /v1/version");
}

std::string http_response(int status, std::string_view body) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nCache-Control: "
      "no-store\r\n{}"
      "Connection: close\r\n\r\n{}",
      status, reason_of(status), body.size(), status == 405 ? "Allow: GET\r\n" : "", body);
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage: return 400;
    case ErrorCode::denied: return 403;
    case ErrorCode::no_such_app: return 404;
    default: return 500;
  }
}

}  // namespace moult::control
