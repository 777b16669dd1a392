#include "daemon/front/listener.h"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

namespace moult::http {

namespace {

constexpr int kBacklog = 1024;  // the kernel cuts it to net.core.somaxconn
constexpr int kSocketFlags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

Failure cannot_listen(const ListenAddress& address, int number, std::string_view hint = {}) {
  Error error = os_error(fmt::format("cannot listen on {}", to_string(address)), number);
  error.hint = hint;
  return fail(std::move(error));
}

struct TcpAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Result<TcpAddress> tcp_address(const ListenAddress& address) {
  TcpAddress result;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address.port);
    result.size = sizeof *v4;
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address.port);
    result.size = sizeof *v6;
  } else {
    return fail(Error{ErrorCode::config_invalid,
                      fmt::format("cannot listen on \"{}\": not a numeric address", host)});
  }
  return result;
}

Result<Fd> open_tcp(const ListenAddress& address) {
  MOULT_ASSIGN(const TcpAddress target, tcp_address(address));
  Fd fd(::socket(target.storage.ss_family, kSocketFlags, 0));
  if (!fd) return cannot_listen(address, errno);
  const int on = 1;
  // Connections of the daemon that was here before may linger in TIME_WAIT.
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&target.storage), target.size) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    const int number = errno;
    return cannot_listen(address, number, number == EADDRINUSE ? "another program listens there" : "");
  }
  return fd;
}

Result<sockaddr_un> unix_address(const ListenAddress& address) {
  sockaddr_un name{};
  if (address.unix_path.size() >= sizeof name.sun_path) {
    return fail(Error{ErrorCode::config_invalid,
                      fmt::format("socket path \"{}\" is {} bytes long; the system allows {}",
                                  address.unix_path, address.unix_path.size(), sizeof name.sun_path - 1)});
  }
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, address.unix_path.c_str(), address.unix_path.size() + 1);
  return name;
}

// Removes what a dead server left behind.
Result<> clear_path(const ListenAddress& address, const sockaddr_un& name) {
  struct stat status {};
  if (::lstat(name.sun_path, &status) != 0) {
    if (errno == ENOENT) return {};
    return cannot_listen(address, errno);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail(Error{ErrorCode::failed,
                      fmt::format("cannot listen on {}: the file there is no socket", to_string(address))});
  }
  const Fd probe(::socket(AF_UNIX, kSocketFlags, 0));
  if (!probe) return cannot_listen(address, errno);
  const int status_of_connect = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
  // Only a refusal proves that nobody answers: EAGAIN is a full backlog, EACCES another user's.
  if (status_of_connect == 0 || errno != ECONNREFUSED) {
    return cannot_listen(address, status_of_connect == 0 || errno == EAGAIN ? EADDRINUSE : errno,
                         "another server answers on this socket");
  }
  if (::unlink(name.sun_path) != 0) return cannot_listen(address, errno);
  return {};
}

Result<> set_access(const ListenAddress& address, const sockaddr_un& name) {
  if (!address.group.empty()) {
    const ::group* const entry = ::getgrnam(address.group.c_str());
    if (entry == nullptr) {
      return fail(Error{ErrorCode::config_invalid,
                        fmt::format("{}: there is no group \"{}\"", to_string(address), address.group)});
    }
    if (::chown(name.sun_path, static_cast<uid_t>(-1), entry->gr_gid) != 0) {
      return cannot_listen(address, errno, "only members of the group may give the socket to it");
    }
  }
  if (::chmod(name.sun_path, static_cast<mode_t>(address.mode)) != 0) return cannot_listen(address, errno);
  return {};
}

Result<Fd> open_unix(const ListenAddress& address) {
  MOULT_ASSIGN(const sockaddr_un name, unix_address(address));
  MOULT_TRY(clear_path(address, name));
  Fd fd(::socket(AF_UNIX, kSocketFlags, 0));
  if (!fd) return cannot_listen(address, errno);
  // The file gets the socket's own mode (unix_bind in Linux), so it is never wider than asked for;
  // and until listen() a connect is refused whatever the mode.
  ::fchmod(fd.get(), 0600);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return cannot_listen(address, errno);
  }
  auto done = set_access(address, name);
  if (done && ::listen(fd.get(), kBacklog) != 0) done = cannot_listen(address, errno);
  if (!done) {
    ::unlink(name.sun_path);
    return fail(std::move(done.error()));
  }
  return fd;
}

}  // namespace

Result<Fd> open_listener(const ListenAddress& address) {
  return address.is_unix() ? open_unix(address) : open_tcp(address);
}

Listener::Listener(uv::Loop& loop, Fd socket, ListenAddress address, std::function<void()> on_ready)
    : socket_(std::move(socket)), address_(std::move(address)) {
  struct stat status {};
  if (address_.is_unix() && ::lstat(address_.unix_path.c_str(), &status) == 0) {
    owns_file_ = true;
    device_ = status.st_dev;
    inode_ = status.st_ino;
  }
  if (!address_.is_unix()) {
    // Accepted sockets inherit it (tcp(7)). A peer whose machine is gone is noticed after a minute, also
    // when there is nothing to send to it.
    const auto set = [this](int level, int option, int value) {
      ::setsockopt(socket_.get(), level, option, &value, sizeof value);
    };
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  }
  poll_.emplace(loop, socket_.get(), [on_ready = std::move(on_ready)](int) { on_ready(); });
}

Listener::~Listener() {
  poll_.reset();
  if (!owns_file_) return;
  struct stat status {};
  const char* path = address_.unix_path.c_str();
  if (::lstat(path, &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) ::unlink(path);
}

std::uint16_t Listener::port() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  if (storage.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  return 0;
}

bool Listener::has_waiting() const {
  pollfd state{socket_.get(), POLLIN, 0};
  return ::poll(&state, 1, 0) > 0;
}

void Listener::set_accepting(bool accepting) { poll_->set(accepting ? uv::Poll::kReadable : 0); }

Listener::Accepted Listener::accept_one() {
  Accepted accepted;
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  accepted.socket = Fd(
      ::accept4(socket_.get(), reinterpret_cast<sockaddr*>(&storage), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!accepted.socket) {
    accepted.error = errno;
    return accepted;
  }
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    accepted.address = ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    accepted.port = std::to_string(ntohs(v4->sin_port));
  } else if (storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    accepted.address = ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    accepted.port = std::to_string(ntohs(v6->sin6_port));
  }
  return accepted;
}

}  // namespace moult::http
