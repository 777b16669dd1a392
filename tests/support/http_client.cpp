#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

namespace moult::testing {

namespace {

constexpr std::size_t kReadSize = 64 * 1024;

[[noreturn]] void fail_errno(const std::string& what) {
  throw HttpError(what + ": " + std::generic_category().message(errno));
}

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::size_t to_size(std::string_view text, int base) {
  std::size_t value = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value, base);
  if (error != std::errc{} || end != last) throw HttpError("no number: " + std::string(text));
  return value;
}

int connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw HttpError("socket path too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    fail_errno("connect " + path);
  }
  return fd;
}

int connect_tcp(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(to_size(text.substr(colon + 1), 10)));
  if (::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    throw HttpError("no address: " + text);
  }
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    fail_errno("connect " + text);
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void wait_for(int fd, short events, Deadline deadline) {
  pollfd question{fd, events, 0};
  if (::poll(&question, 1, left(deadline)) == 0) throw HttpError("the server was silent for too long");
}

std::string request(std::string_view method, std::string_view target, std::string_view host,
                    const std::vector<std::string>& header_lines) {
  std::string text;
  text.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ").append(host).append("\r\n");
  for (const std::string& line : header_lines) text.append(line).append("\r\n");
  return text.append("\r\n");
}

}  // namespace

std::string HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (same_name(key, name)) return value;
  }
  return {};
}

std::size_t HttpResponse::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      headers.begin(), headers.end(), [&](const auto& header) { return same_name(header.first, name); }));
}

HttpConnection::HttpConnection(const std::string& address)
    : fd_(address.rfind("unix:", 0) == 0 ? connect_unix(address.substr(5)) : connect_tcp(address)) {}

HttpConnection::~HttpConnection() {
  if (fd_ >= 0) ::close(fd_);
}

void HttpConnection::send(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    wait_for(fd_, POLLOUT, deadline);
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) continue;
    if (sent < 0) fail_errno("send");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void HttpConnection::half_close() { ::shutdown(fd_, SHUT_WR); }

void HttpConnection::reset() {
  const linger at_once{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(fd_);
  fd_ = -1;
}

bool HttpConnection::read_more(Deadline deadline) {
  wait_for(fd_, POLLIN, deadline);
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kReadSize);
  const ssize_t got = ::recv(fd_, buffer_.data() + before, kReadSize, 0);
  buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(0, got)));
  if (got < 0) fail_errno("recv");
  return got > 0;
}

std::string HttpConnection::read_line(Deadline deadline) {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (!read_more(deadline)) {
      throw HttpError(buffer_.empty() ? "connection ended before a response"
                                      : "cut inside a line: " + buffer_);
    }
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

std::string HttpConnection::read_exactly(std::size_t size, Deadline deadline) {
  while (buffer_.size() < size) {
    if (!read_more(deadline)) {
      throw HttpError("cut: " + std::to_string(buffer_.size()) + " of " + std::to_string(size) + " bytes");
    }
  }
  std::string bytes = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return bytes;
}

std::string HttpConnection::read_to_end(Deadline deadline) {
  while (read_more(deadline)) {
  }
  return std::exchange(buffer_, {});
}

HttpResponse HttpConnection::read_head(Deadline deadline) {
  HttpResponse response;
  const std::string line = read_line(deadline);
  if (line.size() < 13 || line.compare(0, 7, "HTTP/1.") != 0 || line[8] != ' ' || line[12] != ' ') {
    throw HttpError("no status line: " + line);
  }
  response.version = line.substr(0, 8);
  response.status = static_cast<int>(to_size(std::string_view(line).substr(9, 3), 10));
  response.reason = line.substr(13);
  for (std::string header = read_line(deadline); !header.empty(); header = read_line(deadline)) {
    const std::size_t colon = header.find(": ");
    if (colon == std::string::npos) throw HttpError("no header line: " + header);
    response.headers.emplace_back(header.substr(0, colon), header.substr(colon + 2));
  }
  response.chunked = same_name(response.header("Transfer-Encoding"), "chunked");
  return response;
}

std::string HttpConnection::read_chunk(Deadline deadline) {
  const std::size_t size = to_size(read_line(deadline), 16);
  std::string bytes = read_exactly(size, deadline);
  if (read_exactly(2, deadline) != "\r\n") throw HttpError("no line end after a chunk");
  return bytes;
}

HttpResponse HttpConnection::read_response(To to, Deadline deadline) {
  HttpResponse response = read_head(deadline);
  const bool without_body = response.status < 200 || response.status == 204 || response.status == 304;
  if (to == To::head || without_body) return response;
  if (response.chunked) {
    for (std::string chunk = read_chunk(deadline); !chunk.empty(); chunk = read_chunk(deadline)) {
      response.body += chunk;
    }
  } else if (const std::string length = response.header("Content-Length"); !length.empty()) {
    response.body = read_exactly(to_size(length, 10), deadline);
  } else {
    response.body = read_to_end(deadline);
  }
  return response;
}

bool HttpConnection::ends(Deadline deadline) {
  if (!buffer_.empty()) return false;
  pollfd question{fd_, POLLIN, 0};
  if (::poll(&question, 1, left(deadline)) == 0) return false;
  char byte = 0;
  const ssize_t got = ::recv(fd_, &byte, 1, MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno == ECONNRESET);
}

std::string get_request(std::string_view target, const std::vector<std::string>& header_lines,
                        std::string_view host) {
  return request("GET", target, host, header_lines);
}

std::string post_request(std::string_view target, std::string_view body,
                         const std::vector<std::string>& header_lines) {
  std::vector<std::string> lines = header_lines;
  lines.push_back("Content-Length: " + std::to_string(body.size()));
  return request("POST", target, "localhost", lines).append(body);
}

HttpResponse get(const std::string& address, std::string_view target,
                 const std::vector<std::string>& header_lines) {
  HttpConnection connection(address);
  connection.send(get_request(target, header_lines));
  return connection.read_response();
}

HttpResponse post(const std::string& address, std::string_view target, std::string_view body,
                  const std::vector<std::string>& header_lines) {
  HttpConnection connection(address);
  connection.send(post_request(target, body, header_lines));
  return connection.read_response();
}

}  // namespace moult::testing
