#include "daemon/front/output.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>

namespace moult::http {

namespace {

constexpr std::size_t kSlicesMax = 8;

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

ssize_t send_slices(int fd, std::span<iovec> slices) {
  constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
  msghdr message{};
  message.msg_iov = slices.data();
  message.msg_iovlen = slices.size();
  ssize_t sent = 0;
  do {
    sent = slices.size() == 1 ? ::send(fd, slices[0].iov_base, slices[0].iov_len, kFlags)
                              : ::sendmsg(fd, &message, kFlags);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

}  // namespace

Output::State Output::send(int fd, std::span<const std::string_view> slices) {
  std::size_t skipped = 0;  // bytes of the slices that the kernel took
  if (is_empty()) {
    std::array<iovec, kSlicesMax> vectors;
    std::size_t count = 0;
    std::size_t total = 0;
    for (const std::string_view slice : slices) {
      if (slice.empty()) continue;
      MOULT_CHECK(count < kSlicesMax, "too many slices in one write");
      vectors[count++] = {const_cast<char*>(slice.data()), slice.size()};
      total += slice.size();
    }
    if (total == 0) return State::empty;
    const ssize_t sent = send_slices(fd, {vectors.data(), count});
    if (sent < 0 && !would_block(errno)) return State::closed;
    skipped = sent > 0 ? static_cast<std::size_t>(sent) : 0;
    written_ += skipped;
    if (skipped == total) return State::empty;
  }
  for (std::string_view slice : slices) {
    const std::size_t taken = std::min(skipped, slice.size());
    skipped -= taken;
    queue(slice.substr(taken));
  }
  return State::blocked;
}

void Output::queue(std::string_view bytes) {
  if (bytes.empty()) return;
  if (is_empty() || segments_.back().region) segments_.emplace_back();
  Segment& last = segments_.back();
  if (last.sent > last.bytes.size() / 2) {  // keep a slow reader's buffer from growing at its front
    last.bytes.erase(0, last.sent);
    last.sent = 0;
  }
  last.bytes.append(bytes);
  waiting_bytes_ += bytes.size();
}

void Output::queue_file(FileRegion region) {
  if (region.length == 0) return;
  segments_.emplace_back().region = std::move(region);
  ++waiting_files_;
}

Output::State Output::flush(int fd) {
  while (!is_empty()) {
    Segment& segment = segments_[first_];
    const State state = segment.region ? flush_file(fd, *segment.region)
                                       : flush_bytes(fd, segment, first_ + 1 < segments_.size());
    if (state != State::empty) return state;
    pop();
  }
  return State::empty;
}

Output::State Output::flush_bytes(int fd, Segment& segment, bool more) {
  while (segment.sent < segment.bytes.size()) {
    // With a file behind it the head waits for the file's first bytes: one packet instead of two.
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0);
    const ssize_t sent =
        ::send(fd, segment.bytes.data() + segment.sent, segment.bytes.size() - segment.sent, flags);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return would_block(errno) ? State::blocked : State::closed;
    segment.sent += static_cast<std::size_t>(sent);
    waiting_bytes_ -= static_cast<std::size_t>(sent);
    written_ += static_cast<std::uint64_t>(sent);
  }
  return State::empty;
}

Output::State Output::flush_file(int fd, FileRegion& region) {
  while (region.length > 0) {
    if (region.in_memory == 0) return State::needs_file;
    auto offset = static_cast<off_t>(region.offset);
    const std::uint64_t size = std::min(region.length, region.in_memory);
    const ssize_t sent = ::sendfile(fd, region.file->get(), &offset, static_cast<std::size_t>(size));
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && would_block(errno)) return State::blocked;
    if (sent <= 0) return State::closed;  // 0: the file was cut meanwhile
    region.offset += static_cast<std::uint64_t>(sent);
    region.length -= static_cast<std::uint64_t>(sent);
    region.in_memory -= static_cast<std::uint64_t>(sent);
    written_ += static_cast<std::uint64_t>(sent);
  }
  return State::empty;
}

void Output::pop() {
  if (segments_[first_].region) --waiting_files_;
  segments_[first_] = {};
  if (++first_ == segments_.size()) {
    segments_.clear();
    first_ = 0;
  } else if (first_ == 16) {  // a stream of files that never runs empty
    segments_.erase(segments_.begin(), segments_.begin() + 16);
    first_ = 0;
  }
}

FileRegion Output::next_read() const {
  FileRegion window = *segments_[first_].region;
  window.length = std::min(window.length, kFileWindow);
  return window;
}

void Output::file_read(std::uint64_t size) { segments_[first_].region->in_memory = size; }

bool read_into_memory(const FileRegion& window) {
  struct stat status {};
  if (::fstat(window.file->get(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  std::vector<char> buffer(64 * 1024);
  std::uint64_t at = 0;
  while (at < window.length) {
    const std::uint64_t size = std::min<std::uint64_t>(buffer.size(), window.length - at);
    const ssize_t count = ::pread(window.file->get(), buffer.data(), static_cast<std::size_t>(size),
                                  static_cast<off_t>(window.offset + at));
    if (count <= 0) break;  // sendfile will meet the same and cut the connection
    at += static_cast<std::uint64_t>(count);
  }
  return true;
}

}  // namespace moult::http
