#include "daemon/config/config.h"
#include "daemon/config/paths.h"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <algorithm>
#include <charconv>

namespace moult {

namespace {

Failure invalid(std::string message, std::string hint) {
  return fail(Error{ErrorCode::config_invalid, std::move(message), {}, {}, 0, std::move(hint)});
}

bool is_ipv4(const std::string& text) {
  in_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool parse_port(std::string_view text, std::uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return !text.empty() && error == std::errc{} && end == text.data() + text.size();
}

constexpr std::string_view kListenHint =
    "write \"127.0.0.1:8000\", \"[::1]:8000\" or \"unix:PATH\", or \"fcgi:unix:PATH\"";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

}  // namespace

std::string_view to_string(Wire wire) {
  switch (wire) {
    case Wire::fcgi: return "fcgi";
    case Wire::scgi: return "scgi";
    case Wire::uwsgi: return "uwsgi";
    case Wire::http: break;
  }
  return "http";
}

std::string to_string(const ListenAddress& address) {
  const std::string scheme = address.wire == Wire::http ? "" : fmt::format("{}:", to_string(address.wire));
  if (address.is_unix()) return fmt::format("{}unix:{}", scheme, address.unix_path);
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return fmt::format("{}{}:{}", scheme, is_v6 ? fmt::format("[{}]", address.host) : address.host,
                     address.port);
}

Result<ListenAddress> parse_listen(std::string_view written) {
  ListenAddress address;
  std::string_view text = written;
  for (const Wire wire : {Wire::http, Wire::fcgi, Wire::scgi, Wire::uwsgi}) {
    const std::string scheme = fmt::format("{}:", to_string(wire));
    if (!text.starts_with(scheme) || text.substr(scheme.size()).starts_with("//")) continue;
    text.remove_prefix(scheme.size());
    address.wire = wire;
    break;
  }
  if (text.starts_with("ajp:")) {
    return invalid(fmt::format("\"{}\": AJP is not spoken here", written),
                   "use fcgi: (mod_proxy_fcgi) or HTTP (mod_proxy_http) instead");
  }
  if (text.starts_with("unix:")) {
    address.unix_path = std::string(text.substr(5));
    if (address.unix_path.empty()) return invalid("\"unix:\" names no path", "write \"unix:PATH\"");
    MOULT_TRY(check_socket_path(address.unix_path));
    return address;
  }
  const std::string wrong = fmt::format("\"{}\" is not an address to listen on", written);
  if (text.find("://") != std::string_view::npos) return invalid(wrong, std::string(kListenHint));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !parse_port(text.substr(colon + 1), address.port)) {
    return invalid(wrong, std::string(kListenHint));
  }
  const std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    address.host = std::string(host.substr(1, host.size() - 2));
    if (!is_ipv6(address.host)) return invalid(wrong, std::string(kListenHint));
    return address;
  }
  address.host = std::string(host);
  if (address.host.empty() || address.host == "*") {
    return invalid(
        wrong, fmt::format("write \"127.0.0.1:{0}\", or \"0.0.0.0:{0}\" for all addresses", address.port));
  }
  if (address.host != "localhost" && !is_ipv4(address.host)) {
    return invalid(wrong, "the host must be a numeric address or localhost");
  }
  return address;
}

Result<RoutePattern> parse_route(std::string_view text) {
  const std::string quoted = fmt::format("\"{}\" is not a route", text);
  const std::string hint = "write \"/shop\", \"example.org\" or \"example.org/shop\"";
  if (text.empty() || text.find("://") != std::string_view::npos) return invalid(quoted, hint);
  const std::size_t slash = std::min(text.find('/'), text.size());
  RoutePattern route{std::string(text.substr(0, slash)), std::string(text.substr(slash))};
  std::transform(route.host.begin(), route.host.end(), route.host.begin(), lower);
  if (route.host == "*") route.host.clear();
  if (route.host.find(':') != std::string::npos) {
    return invalid(quoted + ": a route has no port", "use `listen` for a port of the app's own");
  }
  if (route.host.find('*') != std::string::npos) {
    return invalid(quoted + ": a host name is matched whole", "name each host in `routes`");
  }
  if (!std::all_of(route.host.begin(), route.host.end(), is_host_character)) return invalid(quoted, hint);
  while (route.prefix.ends_with('/')) route.prefix.pop_back();
  const bool odd = std::any_of(route.prefix.begin(), route.prefix.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '?' || c == '#' || c == '*' || c == '%';
  });
  const std::string segments = route.prefix + "/";
  if (odd || segments.find("//") != std::string::npos || segments.find("/../") != std::string::npos ||
      segments.find("/./") != std::string::npos) {
    return invalid(quoted + ": the path is matched as text, segment by segment",
                   "write it decoded, without * ? # % and without empty, . or .. segments");
  }
  return route;
}

}  // namespace moult
