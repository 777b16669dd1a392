#include "daemon/front/cgi/variables.h"

#include "daemon/front/http_text.h"

#include <algorithm>
#include <array>

namespace moult::cgi {

namespace {

// What the request's head says itself, and what is the worker's to say.
constexpr std::array<std::string_view, 15> kOurs{
    "REQUEST_METHOD", "SCRIPT_NAME",  "PATH_INFO",       "QUERY_STRING", "REQUEST_URI",
    "SERVER_NAME",    "SERVER_PORT",  "REMOTE_ADDR",     "REMOTE_PORT",  "SERVER_PROTOCOL",
    "CONTENT_LENGTH", "CONTENT_TYPE", "SERVER_SOFTWARE", "SCGI",         "HTTPS"};

bool is_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

bool is_ours(std::string_view name) { return std::ranges::find(kOurs, name) != kOurs.end(); }

bool is_target(std::string_view text) {
  return std::ranges::none_of(text,
                              [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; });
}

void append_escaped(std::string& out, std::string_view path) {
  constexpr std::string_view kPlain = "!$&'()*+,-./:;=@_~";
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : path) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || http::is_digit(c) ||
                       kPlain.find(c) != std::string_view::npos;
    const auto byte = static_cast<unsigned char>(c);
    if (plain) {
      out.push_back(c);
    } else {
      out.append({'%', kDigits[byte / 16], kDigits[byte % 16]});
    }
  }
}

}  // namespace

void Variables::clear() {
  text_.clear();
  entries_.clear();
  target_.clear();
  headers_.clear();
}

bool Variables::add(std::string_view name, std::string_view value) {
  if (!is_name(name) || value.find('\0') != std::string_view::npos) return true;
  if (entries_.size() == kCountMax || text_.size() + name.size() + value.size() + 1 > kBytesMax) return false;
  text_.push_back('=');
  entries_.push_back({text_.size(), name.size(), text_.size() + name.size(), value.size()});
  text_.append(name).append(value);
  return true;
}

std::string_view Variables::find(std::string_view name) const {
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (name_of(*entry) == name) return value_of(*entry);
  }
  return {};
}

// CGI's own form of a target: decoded, and the path in two parts.
void Variables::make_target() {
  append_escaped(target_, find("SCRIPT_NAME"));
  append_escaped(target_, find("PATH_INFO"));
  if (target_.empty()) target_ = "/";
  if (const std::string_view query = find("QUERY_STRING"); !query.empty()) target_.append("?").append(query);
}

std::optional<http::Refusal> Variables::read(http::RequestHead& head, http::Peer& peer) {
  head = {};
  head.method = find("REQUEST_METHOD");
  head.target = find("REQUEST_URI");
  if (head.target.empty()) {
    make_target();
    head.target = target_;
  }
  if (!http::is_token(head.method)) return http::Refusal{400, "The request has no method."};
  if (!is_target(head.target)) return http::Refusal{400, "The target holds characters that no URI may have."};
  head.http10 = find("SERVER_PROTOCOL") == "HTTP/1.0";
  if (const std::string_view length = find("CONTENT_LENGTH"); !length.empty()) {
    const auto number = http::parse_decimal(length);
    if (!number) return http::Refusal{400, "CONTENT_LENGTH is no number."};
    head.has_length = true;
    head.content_length = *number;
  }
  peer.address = find("REMOTE_ADDR");
  peer.port = find("REMOTE_PORT");
  peer.local_host = find("SERVER_NAME");
  peer.local_port = find("SERVER_PORT");
  const std::string_view https = find("HTTPS");
  peer.https =
      find("REQUEST_SCHEME") == "https" || (!https.empty() && !http::equals_ignoring_case(https, "off"));
  return add_headers(head);
}

std::optional<http::Refusal> Variables::add_headers(http::RequestHead& head) {
  headers_.reserve(text_.size());  // so that views of it stay good
  for (const Entry& entry : entries_) {
    const std::string_view name = name_of(entry);
    const std::string_view value = value_of(entry);
    const bool is_type = name == "CONTENT_TYPE";
    if (!is_type && !name.starts_with("HTTP_")) {
      if (!is_ours(name) && !name.starts_with("UWSGI_"))
        head.headers.push_back({std::string_view(text_).substr(entry.name - 1, entry.name_size + 1), value});
      continue;
    }
    if (is_type && value.empty()) continue;
    if (!std::ranges::all_of(value, http::is_value_char))
      return http::Refusal{400, "A header holds control characters."};
    const std::size_t begin = headers_.size();
    for (const char c : is_type ? name : name.substr(5)) headers_.push_back(c == '_' ? '-' : http::lower(c));
    head.headers.push_back({std::string_view(headers_).substr(begin), http::trim(value)});
  }
  if (head.has_length) head.headers.push_back({"content-length", find("CONTENT_LENGTH")});
  return std::nullopt;
}

}  // namespace moult::cgi
