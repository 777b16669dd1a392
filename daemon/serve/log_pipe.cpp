#include "daemon/serve/log_pipe.h"

#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace moult {

namespace {

constexpr std::size_t kPrefix = sizeof(std::uint32_t) + 1;
constexpr std::uint32_t kLineMax = 4000;
constexpr std::size_t kRound = 16 * 1024;  // thousands of short lines

}  // namespace

bool LogRecords::feed(std::string_view bytes, const Sink& sink) {
  pending_.append(bytes);
  std::string_view rest = pending_;
  while (rest.size() >= kPrefix) {
    std::uint32_t size = 0;
    std::memcpy(&size, rest.data(), sizeof size);
    if (size > kLineMax) return false;
    if (rest.size() < kPrefix + size) break;
    sink(rest[sizeof size], rest.substr(kPrefix, size));
    rest.remove_prefix(kPrefix + size);
  }
  pending_.erase(0, pending_.size() - rest.size());
  return true;
}

LogPipe::LogPipe(uv::Loop& loop, Fd read_end, LogRecords::Sink sink)
    : fd_(std::move(read_end)), sink_(std::move(sink)) {
  poll_ = std::make_unique<uv::Poll>(loop, fd_.get(), [this](int) { read(kRound); });
  poll_->set(uv::Poll::kReadable);
}

void LogPipe::read(std::size_t most) {
  std::array<char, 16384> buffer;
  while (fd_ && most > 0) {
    const ssize_t count = ::read(fd_.get(), buffer.data(), std::min(buffer.size(), most));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0 || !records_.feed({buffer.data(), static_cast<std::size_t>(count)}, sink_)) {
      poll_.reset();
      fd_.reset();
      return;
    }
    most -= static_cast<std::size_t>(count);
  }
}

}  // namespace moult
