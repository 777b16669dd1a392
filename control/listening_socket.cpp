#include "control/listening_socket.h"

#include <fmt/format.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

namespace moult::control {

namespace {

constexpr int kBacklog = 64;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// sockaddr_un is made to be seen as a sockaddr (unix(7)).
const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

Result<ucred> credentials_of_peer(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return fail(last_os_error("SO_PEERCRED"));
  }
  return credentials;
}

Result<Fd> stream_socket() {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail(last_os_error("socket"));
  return fd;
}

// Removes a socket file that nobody answers at. Nothing there is fine.
Result<> remove_stale(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return fail(last_os_error(path));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail(Error{ErrorCode::failed, fmt::format("{} is there and no socket", path)});
  }
  const auto connected = connect_unix(path);
  if (connected || connected.error().code == ErrorCode::timed_out) {
    return fail(Error{ErrorCode::failed, fmt::format("another daemon answers at {}", path)});
  }
  if (connected.error().code != ErrorCode::unreachable) return fail(connected.error());
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail(last_os_error(path));
  return {};
}

}  // namespace

Result<> check_socket_path(const std::string& path) {
  constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty() || path[0] != '/') {
    return fail(Error{ErrorCode::usage, fmt::format("the socket path `{}` is not absolute", path)});
  }
  if (path.size() <= longest) return {};
  Error error{ErrorCode::usage, fmt::format("the socket path {} has {} bytes; the system allows {}", path,
                                            path.size(), longest)};
  error.hint = "set MOULT_SOCKET to a shorter path";
  return fail(std::move(error));
}

Result<Fd> connect_unix(const std::string& path) {
  MOULT_TRY(check_socket_path(path));
  MOULT_ASSIGN(Fd fd, stream_socket());
  const sockaddr_un address = address_of(path);
  if (::connect(fd.get(), generic(address), sizeof address) == 0) return fd;
  Error error = last_os_error(path);
  if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) error.code = ErrorCode::unreachable;
  if (errno == EACCES || errno == EPERM) error.code = ErrorCode::denied;
  if (errno == EAGAIN) {  // the backlog is full (connect(2)): somebody is there, and busy
    error = Error{ErrorCode::timed_out, fmt::format("{}: the daemon is too busy to answer", path)};
  }
  return fail(std::move(error));
}

Result<ListeningSocket> ListeningSocket::bind(const std::string& path) {
  MOULT_TRY(check_socket_path(path));
  if (const std::size_t slash = path.rfind('/'); slash > 0) MOULT_TRY(make_folders(path.substr(0, slash)));
  MOULT_TRY(remove_stale(path));
  MOULT_ASSIGN(Fd fd, stream_socket());
  // Linux takes the mode of the file from the socket's own inode (unix_bind), so there is no moment
  // at which others could connect; chmod afterwards is for systems that do not.
  ::fchmod(fd.get(), 0600);
  const sockaddr_un address = address_of(path);
  if (::bind(fd.get(), generic(address), sizeof address) != 0) return fail(last_os_error(path));
  ListeningSocket socket(std::move(fd), path);
  struct stat status {};
  if (::chmod(path.c_str(), 0600) != 0 || ::lstat(path.c_str(), &status) != 0)
    return fail(last_os_error(path));
  socket.device_ = status.st_dev;
  socket.inode_ = status.st_ino;
  if (::listen(socket.fd(), kBacklog) != 0) return fail(last_os_error(path));
  return socket;
}

Result<ListeningSocket> ListeningSocket::adopt(Fd socket, const std::string& path) {
  MOULT_TRY(set_nonblocking(socket));
  return ListeningSocket(std::move(socket), path);
}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::move(other.path_)),
      device_(other.device_),
      inode_(std::exchange(other.inode_, 0)) {}

ListeningSocket::~ListeningSocket() {
  if (inode_ == 0) return;
  struct stat status {};
  if (::lstat(path_.c_str(), &status) != 0) return;
  if (status.st_dev == device_ && status.st_ino == inode_) ::unlink(path_.c_str());
}

bool ListeningSocket::is_gone() const {
  struct stat status {};
  return ::lstat(path_.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

Result<uid_t> peer_uid(int fd) {
  MOULT_ASSIGN(const ucred credentials, credentials_of_peer(fd));
  return credentials.uid;
}

Fd peer_process(int fd) {
  const auto credentials = credentials_of_peer(fd);
  if (!credentials || credentials->pid == 0) return Fd();
  // By number: glibc has a function for it from 2.36 on alone.
  return Fd(static_cast<int>(::syscall(SYS_pidfd_open, credentials->pid, 0)));
}

bool may_use(uid_t peer, uid_t ours) { return peer == ours || peer == 0; }

}  // namespace moult::control
