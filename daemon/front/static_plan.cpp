#include "daemon/front/http_text.h"
#include "daemon/front/response.h"
#include "daemon/front/static_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace moult::http {

namespace {

struct Suffix {
  std::string_view suffix;
  std::string_view type;
};
constexpr std::array kTypes = std::to_array<Suffix>({
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"txt", "text/plain; charset=utf-8"},
    {"md", "text/markdown; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"vtt", "text/vtt; charset=utf-8"},
    {"xml", "text/xml; charset=utf-8"},
    {"ics", "text/calendar; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"webmanifest", "application/manifest+json"},
    {"wasm", "application/wasm"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"gz", "application/gzip"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"ico", "image/vnd.microsoft.icon"},
    {"bmp", "image/bmp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"otf", "font/otf"},
    {"mp3", "audio/mpeg"},
    {"ogg", "audio/ogg"},
    {"wav", "audio/wav"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
});

// If-None-Match (RFC 9110 section 13.1.2): weak comparison.
bool matches_any(std::string_view list, std::string_view etag) {
  while (const auto element = next_element(list)) {
    std::string_view candidate = *element;
    if (candidate == "*") return true;
    if (candidate.starts_with("W/")) candidate.remove_prefix(2);
    if (candidate == etag) return true;
  }
  return false;
}

std::string_view value_of(const RequestHead& request, std::string_view name) {
  const lane::Header* header = request.find(name);
  return header != nullptr ? header->value : std::string_view();
}

bool is_unchanged(const StaticFile& file, const RequestHead& request) {
  const std::string_view none_match = value_of(request, "if-none-match");
  if (!none_match.empty()) return matches_any(none_match, file.etag);
  std::time_t since = 0;
  return parse_http_date(value_of(request, "if-modified-since"), since) && file.modified <= since;
}

// If-Match and If-Unmodified-Since (RFC 9110 sections 13.1.1 and 13.1.4): strong comparison, and a date
// counts only without tags.
bool is_other_version(const StaticFile& file, const RequestHead& request) {
  if (request.find("if-match") != nullptr) {
    std::string_view list = value_of(request, "if-match");
    while (const auto element = next_element(list)) {
      if (*element == "*" || *element == file.etag) return false;
    }
    return true;
  }
  std::time_t since = 0;
  return parse_http_date(value_of(request, "if-unmodified-since"), since) && file.modified > since;
}

// If-Range: the part is only of use to who has the same version (strong comparison).
bool range_counts(const StaticFile& file, const RequestHead& request) {
  const std::string_view condition = value_of(request, "if-range");
  return condition.empty() || condition == file.etag || condition == http_date(file.modified);
}

}  // namespace

StaticMatch find_static(const std::map<std::string, std::string>& folders, std::string_view path_info) {
  StaticMatch best;
  std::size_t longest = 0;
  for (const auto& [prefix, folder] : folders) {
    std::string_view bare = prefix;
    while (bare.ends_with('/')) bare.remove_suffix(1);
    const bool takes =
        path_info.size() > bare.size() && path_info.starts_with(bare) && path_info[bare.size()] == '/';
    if (!takes || (!best.root.empty() && bare.size() < longest)) continue;
    longest = bare.size();
    best = {folder, path_info.substr(bare.size() + 1)};
  }
  return best;
}

bool is_safe_relative(std::string_view relative) {
  if (relative.find('\0') != std::string_view::npos) return false;
  for (;;) {
    const std::size_t slash = relative.find('/');
    const std::string_view segment = relative.substr(0, slash);
    if (segment.empty() || segment == "." || segment == "..") return false;
    if (slash == std::string_view::npos) return true;
    relative.remove_prefix(slash + 1);
  }
}

std::string_view content_type(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t dot = name.rfind('.');
  if (dot != std::string_view::npos) {
    for (const Suffix& known : kTypes) {
      if (equals_ignoring_case(name.substr(dot + 1), known.suffix)) return known.type;
    }
  }
  return "application/octet-stream";
}

ByteRange parse_range(std::string_view value, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (value.size() <= kUnit.size() || !equals_ignoring_case(value.substr(0, kUnit.size()), kUnit)) return {};
  const std::string_view range = trim(value.substr(kUnit.size()));
  const std::size_t dash = range.find('-');
  // Several ranges may be answered with the whole (RFC 9110 section 14.2).
  if (dash == std::string_view::npos || range.find(',') != std::string_view::npos) return {};
  const std::string_view first_text = range.substr(0, dash);
  const std::string_view last_text = range.substr(dash + 1);
  const auto first = parse_decimal(first_text);
  const auto last = parse_decimal(last_text);
  if ((!first_text.empty() && !first) || (!last_text.empty() && !last) || (!first && !last)) return {};
  const ByteRange unsatisfiable{ByteRange::Kind::unsatisfiable, 0, 0};
  if (!first) {  // the last n bytes
    if (*last == 0 || size == 0) return unsatisfiable;
    const std::uint64_t length = std::min(*last, size);
    return {ByteRange::Kind::part, size - length, length};
  }
  if (last && *last < *first) return {};
  if (*first >= size) return unsatisfiable;
  const std::uint64_t end = last ? std::min(*last, size - 1) : size - 1;
  return {ByteRange::Kind::part, *first, end - *first + 1};
}

StaticAnswer plan_static(const StaticFile& file, std::string_view path, const RequestHead& request) {
  StaticAnswer answer;
  answer.length = file.size;
  answer.headers = fmt::format("Last-Modified: {}\r\nETag: {}\r\nAccept-Ranges: bytes\r\n",
                               http_date(file.modified), file.etag);
  if (is_other_version(file, request)) {
    answer.status = 412;
    answer.length = 0;
    answer.headers = "Content-Length: 0\r\n";
    return answer;
  }
  if (is_unchanged(file, request)) {
    answer.status = 304;
    answer.length = 0;
    return answer;
  }
  const std::string_view range_text = value_of(request, "range");
  if (request.method == "GET" && !range_text.empty() && range_counts(file, request)) {
    const ByteRange range = parse_range(range_text, file.size);
    if (range.kind == ByteRange::Kind::unsatisfiable) {
      answer.status = 416;
      answer.length = 0;
      answer.headers = fmt::format("Content-Range: bytes */{}\r\nContent-Length: 0\r\n", file.size);
      return answer;
    }
    if (range.kind == ByteRange::Kind::part) {
      answer.status = 206;
      answer.offset = range.first;
      answer.length = range.length;
      answer.headers += fmt::format("Content-Range: bytes {}-{}/{}\r\n", range.first,
                                    range.first + range.length - 1, file.size);
    }
  }
  answer.headers +=
      fmt::format("Content-Type: {}\r\nX-Content-Type-Options: nosniff\r\nContent-Length: {}\r\n",
                  content_type(path), answer.length);
  return answer;
}

}  // namespace moult::http
