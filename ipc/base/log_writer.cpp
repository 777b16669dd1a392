#include "ipc/base/log_writer.h"

#include "ipc/base/count_of.h"
#include "ipc/base/fd.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace moult {

namespace {

// Lines of several processes do not mix when a write is no longer than this (pipe(7)).
constexpr std::size_t kWriteMax = PIPE_BUF;

// The path of a regular file behind a descriptor; empty for anything else.
std::string path_behind(int fd) {
  struct stat status {};
  char path[4096];
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return {};
  const ssize_t length = ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), path, sizeof path);
  return length > 0 ? std::string(path, static_cast<std::size_t>(length)) : std::string();
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {  // somebody else made it non-blocking
      pollfd entry{fd, POLLOUT, 0};
      ::poll(&entry, 1, 1'000);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

// Whole lines at the start of `text`, as many as one write may have; at least one.
std::string_view first_lines(std::string_view text) {
  if (text.size() <= kWriteMax) return text;
  const std::size_t last = text.rfind('\n', kWriteMax - 1);
  return text.substr(0, (last != std::string_view::npos ? last : text.find('\n')) + 1);
}

}  // namespace

struct LogWriter::Shared {
  const int fd;
  const Limits limits;
  const Confession confession;
  const std::string path;  // of a regular file

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::string waiting;
  std::uint64_t dropped = 0;
  std::uint64_t untold = 0;  // of them
  bool reopens = false;
  bool ends = false;
  bool ended = false;

  Shared(int its_fd, Limits its_limits, Confession its_confession)
      : fd(its_fd), limits(its_limits), confession(std::move(its_confession)), path(path_behind(its_fd)) {}

  // The thread. After a failure nothing is tried again before the next line comes.
  void run() {
    for (;;) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return ends || reopens || !waiting.empty(); });
      const std::string text = std::exchange(waiting, {});
      const std::uint64_t lost = std::exchange(untold, 0);
      const bool anew = std::exchange(reopens, false);
      if (text.empty() && !anew) break;
      lock.unlock();
      if (anew) open_anew();
      const std::uint64_t failed = write(text);
      const bool is_told = lost == 0 || write(confession(lost)) == 0;
      lock.lock();
      dropped += failed;
      untold += failed + (is_told ? 0 : lost);
    }
    const std::scoped_lock lock(mutex);
    ended = true;
    changed.notify_all();
  }

  // How many lines could not be written.
  std::uint64_t write(std::string_view text) const {
    std::uint64_t failed = 0;
    while (!text.empty()) {
      const std::string_view piece = first_lines(text);
      rotate_for(piece.size());
      if (!write_all(fd, piece)) failed += lines_in(piece);
      text.remove_prefix(piece.size());
    }
    return failed;
  }

  void rotate_for(std::size_t more) const {
    struct stat status {};
    if (limits.file == 0 || path.empty() || ::fstat(fd, &status) != 0) return;
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size == 0 || size + more <= limits.file) return;
    if (std::rename(path.c_str(), (path + ".1").c_str()) == 0) open_anew();
  }

  void open_anew() const {
    if (path.empty()) return;
    const Fd fresh(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fresh) return;
    const bool both = path_behind(STDOUT_FILENO) == path_behind(fd);
    ::dup2(fresh.get(), fd);
    if (both) ::dup2(fresh.get(), STDOUT_FILENO);
  }
};

LogWriter::LogWriter(int fd, Limits limits, Confession confession)
    : shared_(std::make_shared<Shared>(fd, limits, std::move(confession))), at_the_end_(limits.at_the_end) {
  try {
    std::thread([shared = shared_] { shared->run(); }).detach();
  } catch (const std::system_error&) {  // no more threads for this user: written by who adds
    shared_->ended = true;
  }
}

LogWriter::~LogWriter() {
  std::unique_lock lock(shared_->mutex);
  shared_->ends = true;
  shared_->changed.notify_all();
  shared_->changed.wait_for(lock, at_the_end_, [this] { return shared_->ended; });
}

void LogWriter::add(std::string_view line) {
  std::unique_lock lock(shared_->mutex);
  if (shared_->ended) {
    lock.unlock();
    pollfd entry{shared_->fd, POLLOUT, 0};
    if (::poll(&entry, 1, 0) > 0) shared_->write(line);
    return;
  }
  if (shared_->waiting.size() + line.size() > shared_->limits.waiting) {
    ++shared_->dropped;
    ++shared_->untold;
    return;
  }
  shared_->waiting += line;
  shared_->changed.notify_all();
}

void LogWriter::reopen() {
  const std::scoped_lock lock(shared_->mutex);
  shared_->reopens = true;
  shared_->changed.notify_all();
}

std::uint64_t LogWriter::dropped() const {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->dropped;
}

}  // namespace moult
