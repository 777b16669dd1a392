#pragma once

#include "ipc/base/result.h"

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace moult {

// Owns one file descriptor and closes it. Move-only; -1 is "none". EINTR after close is no error on
// Linux (the descriptor is gone all the same, close(2)), so close is called once.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = other.release();
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

struct SocketPair {
  Fd ours;    // non-blocking
  Fd theirs;  // blocking; both close-on-exec
};

struct PipePair {
  Fd read;
  Fd write;  // both close-on-exec and blocking
};

// A connected pair of SOCK_SEQPACKET sockets: one send is one packet, the end of the peer reads as
// an empty packet (unix(7)). Each end takes packets of 126 KiB.
Result<SocketPair> seqpacket_pair();
Result<PipePair> make_pipe();

// A memory file with `content`, sealed against any change (memfd_create(2)), close-on-exec.
Result<Fd> sealed_memfd(std::string_view name, std::span<const std::string_view> content);

Result<> set_nonblocking(const Fd& fd);
Result<Fd> duplicate(const Fd& fd);

// The whole of a regular file; at most `limit` bytes, else ErrorCode::too_large. Blocks.
Result<std::string> read_file(const std::string& path, std::size_t limit = 64u << 20);
// All of `content`; `what` names it in the error. Blocks.
Result<> write_all(int fd, std::string_view content, std::string_view what);
// Writes to a temporary file beside `path` and renames it into place. Blocks.
Result<> write_file_atomically(const std::string& path, std::string_view content, int mode = 0600);
// mkdir -p with `mode` for the folders that it makes. Blocks.
Result<> make_folders(const std::string& path, int mode = 0700);

}  // namespace moult
