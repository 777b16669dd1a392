#include "daemon/front/response.h"

#include "daemon/front/http_text.h"

#include <fmt/format.h>

#include <charconv>

namespace moult::http {

namespace {

void append_number(std::string& out, std::uint64_t number, int base = 10) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number, base);
  out.append(digits, end.ptr);
}

// The header lines without Content-Length.
void append_without_length(std::string& out, std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t end = lines.find("\r\n");
    const std::size_t size = end == std::string_view::npos ? lines.size() : end + 2;
    const std::string_view line = lines.substr(0, size);
    if (!equals_ignoring_case(line.substr(0, line.find(':')), "content-length")) out.append(line);
    lines.remove_prefix(size);
  }
}

}  // namespace

ResponsePlan plan_response(const RequestTraits& request, const lane::Head& head, std::size_t body_size,
                           End end) {
  ResponsePlan plan;
  plan.keep_alive = request.keep_alive;
  plan.drop_length = head.status == 204;
  if (request.is_head || head.status == 204 || head.status == 304) return plan;
  if (head.status == 205) {  // no content, and to be said so (RFC 9110 section 15.3.6)
    plan.framing = BodyFraming::length;
    plan.drop_length = plan.add_length = true;
    return plan;
  }
  if ((head.flags & lane::kHasLength) != 0) {
    plan.framing = BodyFraming::length;
    plan.length = head.length;
  } else if (end == End::yes) {
    plan.framing = BodyFraming::length;
    plan.length = body_size;
    plan.add_length = true;
  } else if (request.http10) {
    plan.framing = BodyFraming::close;
    plan.keep_alive = false;
  } else {
    plan.framing = BodyFraming::chunked;
  }
  return plan;
}

void append_response_head(std::string& out, const RequestTraits& request, const lane::Head& head,
                          const ResponsePlan& plan, std::string_view date) {
  out.append("HTTP/1.1 ");
  append_number(out, head.status);
  out.push_back(' ');
  out.append(head.reason);
  out.append("\r\n");
  if (plan.drop_length) {
    append_without_length(out, head.header_text);
  } else {
    out.append(head.header_text);
  }
  if ((head.flags & lane::kHasDate) == 0) {
    out.append("Date: ");
    out.append(date);
    out.append("\r\n");
  }
  if ((head.flags & lane::kHasServer) == 0) out.append("Server: moult\r\n");
  if (plan.add_length) {
    out.append("Content-Length: ");
    append_number(out, plan.length);
    out.append("\r\n");
  }
  if (plan.framing == BodyFraming::chunked) out.append("Transfer-Encoding: chunked\r\n");
  if (!plan.keep_alive) {
    out.append("Connection: close\r\n");
  } else if (request.http10) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
}

void append_chunk_size(std::string& out, std::uint64_t size) {
  append_number(out, size, 16);
  out.append("\r\n");
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 412: return "Precondition Failed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "";
  }
}

std::string error_page(int status, std::string_view sentence, std::string_view detail) {
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0} {1}</title></head>\n"
      "<body><h1>{0} {1}</h1>\n<p>",
      status, reason_phrase(status));
  append_html_escaped(page, sentence);
  page += "</p>\n";
  if (!detail.empty()) {
    page += "<pre>";
    append_html_escaped(page, detail);
    page += "</pre>\n";
  }
  page += "</body></html>\n";
  return page;
}

std::string http_date(std::time_t time) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[parts.tm_wday], parts.tm_mday,
                     kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

bool parse_http_date(std::string_view text, std::time_t& time) {
  std::tm parts{};
  const std::string copy(text);
  const char* end = ::strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return false;
  time = ::timegm(&parts);
  return true;
}

std::string_view DateCache::text(SteadyTime now, WallTime (*wall_clock)()) {
  if (now < good_until_) return text_;
  const WallTime wall = wall_clock();
  const auto second = std::chrono::floor<std::chrono::seconds>(wall);
  text_ = http_date(std::chrono::system_clock::to_time_t(second));
  good_until_ =
      now + std::chrono::duration_cast<SteadyTime::duration>(second + std::chrono::seconds(1) - wall);
  return text_;
}

}  // namespace moult::http
