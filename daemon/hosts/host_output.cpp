#include "daemon/hosts/host_output.h"

#include "ipc/base/count_of.h"

#include <unistd.h>
#include <array>
#include <cerrno>

namespace moult {

namespace {

constexpr std::size_t kRound = 16 * 1024;
constexpr Milliseconds kWindow{100};
constexpr std::size_t kMostInWindow = 1 << 20;
constexpr std::size_t kPipe = 64 * 1024;  // what one holds: pipe(7)
constexpr Milliseconds kTellEvery{5'000};

}  // namespace

HostOutput::HostOutput(uv::Loop& loop, Fd read_end, OutputLines::Sink sink, std::function<void()> on_end)
    : loop_(loop),
      fd_(std::move(read_end)),
      sink_(std::move(sink)),
      on_end_(std::move(on_end)),
      pause_(loop),
      told_(loop) {
  poll_ = std::make_unique<uv::Poll>(loop, fd_.get(), [this](int) { on_readable(); });
  poll_->set(uv::Poll::kReadable);
}

bool HostOutput::read() {
  std::array<char, kRound> buffer;
  const ssize_t count = ::read(fd_.get(), buffer.data(), buffer.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return false;
  if (count <= 0) {
    ended_ = true;
    lines_.end(loop_.now(), sink_);
    return false;
  }
  in_window_ += static_cast<std::size_t>(count);
  lines_.feed({buffer.data(), static_cast<std::size_t>(count)}, loop_.now(), sink_);
  return true;
}

void HostOutput::on_readable() {
  if (loop_.now() - window_ >= kWindow) {
    window_ = loop_.now();
    in_window_ = 0;
  }
  read();
  watch_dropped();
  if (ended_) {
    poll_->set(0);
    tell_dropped();
    const auto on_end = std::move(on_end_);
    on_end();
  } else if (in_window_ >= kMostInWindow) {
    poll_->set(0);
    pause_.start(kWindow, [this] { poll_->set(uv::Poll::kReadable); });
  }
}

void HostOutput::drain() {
  poll_->set(0);
  pause_.stop();
  for (std::size_t taken = 0; taken < kPipe && !ended_ && read(); taken += kRound) {
  }
  if (!ended_) lines_.end(loop_.now(), sink_);
  tell_dropped();
}

void HostOutput::watch_dropped() {
  if (lines_.has_dropped() && !told_.is_active()) told_.start(kTellEvery, [this] { tell_dropped(); });
}

void HostOutput::tell_dropped() {
  if (const std::uint64_t dropped = lines_.take_dropped(); dropped > 0)
    sink_(count_of(dropped, "line") + " of output dropped here: more than 1,000 in a second");
}

}  // namespace moult
