#pragma once

#include "ipc/base/fd.h"
#include "ipc/base/result.h"

#include <sys/types.h>
#include <string>

namespace moult::control {

// A unix stream socket that listens at a path, mode 0600. Move-only; the owner ends it. The
// destructor removes the file only while it is still the inode that was bound here.
class ListeningSocket {
 public:
  // Makes the folder when it is missing (0700). A socket file that nobody answers at is replaced; any
  // other file, or a live socket, is an error. Blocks for a moment.
  static Result<ListeningSocket> bind(const std::string& path);
  // One that listens there already, and whose file is somebody else's to remove.
  static Result<ListeningSocket> adopt(Fd socket, const std::string& path);

  ListeningSocket(ListeningSocket&& other) noexcept;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  ~ListeningSocket();

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  bool is_gone() const;  // nothing is at its path any more

 private:
  ListeningSocket(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Fd fd_;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// The uid of the process at the other end (SO_PEERCRED, unix(7)).
Result<uid_t> peer_uid(int fd);

// A pidfd of the process that listens at the other end, which must live; none when it is of another pid
// namespace, or the kernel is older than 5.3.
Fd peer_process(int fd);

// Whether a peer of that uid may use a socket of ours: the same user, or root.
bool may_use(uid_t peer, uid_t ours);

// sockaddr_un holds 107 bytes and a NUL: a clear error for a longer path.
Result<> check_socket_path(const std::string& path);

// Connects; the descriptor is non-blocking. unreachable: nobody listens there; timed_out: the backlog is
// full, so somebody does.
Result<Fd> connect_unix(const std::string& path);

}  // namespace moult::control
