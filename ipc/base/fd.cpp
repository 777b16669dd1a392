#include "ipc/base/fd.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstdlib>

namespace moult {

Result<> write_all(int fd, std::string_view content, std::string_view what) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(last_os_error(what));
    if (written == 0) return fail(os_error(what, EIO));
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

void Fd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

constexpr int kSendBuffer = 106'496;

Result<SocketPair> seqpacket_pair() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return fail(last_os_error("socketpair"));
  }
  SocketPair sockets{Fd(pair[0]), Fd(pair[1])};
  // Not what net.core.wmem_default happens to be: a packet has to fit (the kernel doubles the number).
  for (const int end : pair) ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
  MOULT_TRY(set_nonblocking(sockets.ours));
  return sockets;
}

Result<PipePair> make_pipe() {
  int pair[2];
  if (::pipe2(pair, O_CLOEXEC) != 0) return fail(last_os_error("pipe2"));
  return PipePair{Fd(pair[0]), Fd(pair[1])};
}

Result<Fd> sealed_memfd(std::string_view name, std::span<const std::string_view> content) {
  Fd fd(::memfd_create(std::string(name).c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail(last_os_error("memfd_create"));
  for (const std::string_view part : content) MOULT_TRY(write_all(fd.get(), part, "memfd write"));
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    return fail(last_os_error("memfd seal"));
  }
  return fd;
}

Result<> set_nonblocking(const Fd& fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return fail(last_os_error("fcntl O_NONBLOCK"));
  }
  return {};
}

Result<Fd> duplicate(const Fd& fd) {
  Fd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail(last_os_error("dup"));
  return copy;
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return fail(last_os_error(path));
  std::string content;
  char buffer[65536];
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(last_os_error(path));
    if (count == 0) return content;
    content.append(buffer, static_cast<std::size_t>(count));
    if (content.size() > limit) {
      return fail(Error{ErrorCode::too_large, fmt::format("{}: larger than {} bytes", path, limit)});
    }
  }
}

Result<> write_file_atomically(const std::string& path, std::string_view content, int mode) {
  std::string temporary = path + ".XXXXXX";
  const Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return fail(last_os_error(path));
  auto written = write_all(fd.get(), content, path);
  if (written && ::fchmod(fd.get(), static_cast<mode_t>(mode)) != 0) {
    written = fail(last_os_error(path));
  }
  // The content must be on the disk before the name points at it, or a power cut leaves an empty file.
  if (written && ::fsync(fd.get()) != 0) written = fail(last_os_error(path));
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) written = fail(last_os_error(path));
  if (!written) ::unlink(temporary.c_str());
  return written;
}

Result<> make_folders(const std::string& path, int mode) {
  if (path.empty()) return fail(Error{ErrorCode::failed, "empty folder name"});
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string prefix = path.substr(0, at);
    if (::mkdir(prefix.c_str(), static_cast<mode_t>(mode)) != 0 && errno != EEXIST) {
      // A parent that we may not write to may still be there (a read-only /home above ours).
      struct stat status {};
      if (::stat(prefix.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
        return fail(last_os_error(prefix));
      }
    }
    if (at == std::string::npos) return {};
  }
}

}  // namespace moult
