#include "daemon/inheritance.h"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <charconv>
#include <cstddef>
#include <cstring>

namespace moult {

namespace {

constexpr int kFirst = 3;    // SD_LISTEN_FDS_START
constexpr int kMost = 1024;  // of descriptors that are looked at

std::optional<int> number_in(const std::string& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool has_option(int fd, int option, int wanted) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

// Where it listens; nothing for what is neither TCP nor a unix socket with a path.
std::optional<ListenAddress> address_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return std::nullopt;
  ListenAddress address;
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    address.host = ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    address.port = ntohs(v4->sin_port);
    return address;
  }
  if (storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    address.host = ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    address.port = ntohs(v6->sin6_port);
    return address;
  }
  const auto* name = reinterpret_cast<const sockaddr_un*>(&storage);
  if (storage.ss_family != AF_UNIX || size <= offsetof(sockaddr_un, sun_path)) return std::nullopt;
  address.unix_path.assign(name->sun_path, ::strnlen(name->sun_path, sizeof name->sun_path));
  if (!address.is_unix()) return std::nullopt;  // an abstract one has no file that a front server could name
  return address;
}

std::string key_of(ListenAddress address) {
  if (address.host == "localhost") address.host = "127.0.0.1";
  address.wire = Wire::http;  // a socket does not say
  return to_string(address);
}

}  // namespace

Fd Inheritance::take(const ListenAddress& address) {
  const auto found = sockets.find(key_of(address));
  if (found == sockets.end()) return {};
  Fd socket = std::move(found->second);
  sockets.erase(found);
  return socket;
}

Fd Inheritance::take_unix(const std::string& path) {
  ListenAddress address;
  address.unix_path = path;
  return take(address);
}

Inheritance inherit_from_systemd(const Surroundings& surroundings) {
  Inheritance inheritance;
  // The variables of a parent that was started so are not meant for us.
  if (number_in(surroundings.variable("LISTEN_PID")) != ::getpid()) return inheritance;
  const std::optional<int> count = number_in(surroundings.variable("LISTEN_FDS"));
  if (!count || *count < 0 || *count > kMost) {
    inheritance.faults.push_back(fmt::format("LISTEN_FDS={} is no number of descriptors from 0 to {}",
                                             surroundings.variable("LISTEN_FDS"), kMost));
    return inheritance;
  }
  for (int number = kFirst; number < kFirst + *count; ++number) {
    if (::fcntl(number, F_SETFD, FD_CLOEXEC) != 0) {
      inheritance.faults.push_back(fmt::format("descriptor {}, which LISTEN_FDS names, is not open", number));
      continue;
    }
    Fd socket(number);
    const auto address = address_of(number);
    if (!address || !has_option(number, SO_TYPE, SOCK_STREAM) || !has_option(number, SO_ACCEPTCONN, 1)) {
      inheritance.faults.push_back(fmt::format(
          "descriptor {} of LISTEN_FDS is no TCP socket or unix stream socket that listens", number));
      continue;
    }
    inheritance.sockets.insert_or_assign(key_of(*address), std::move(socket));
  }
  return inheritance;
}

}  // namespace moult
