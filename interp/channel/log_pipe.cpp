#include "interp/channel/log_pipe.h"

#include <poll.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

namespace moult {

namespace {

constexpr std::size_t kLineMax = 4000;
constexpr std::size_t kPrefixSize = sizeof(std::uint32_t) + 1;
constexpr int kWaitMilliseconds = 1000;

void append_record(std::string& out, char stream, std::string_view line) {
  do {
    std::size_t size = std::min(line.size(), kLineMax);
    // Not in the middle of a UTF-8 character.
    while (size < line.size() && size > kLineMax - 4 &&
           (static_cast<unsigned char>(line[size]) & 0xC0) == 0x80)
      --size;
    const auto length = static_cast<std::uint32_t>(size);
    char prefix[kPrefixSize];
    std::memcpy(prefix, &length, sizeof length);
    prefix[sizeof length] = stream;
    out.append(prefix, sizeof prefix);
    out.append(line.substr(0, size));
    line.remove_prefix(size);
  } while (!line.empty());
}

std::size_t first_record_size(const std::string& records, std::size_t at) {
  std::uint32_t length = 0;
  std::memcpy(&length, records.data() + at, sizeof length);
  return kPrefixSize + length;
}

}  // namespace

LogPipe::LogPipe(Fd pipe) : pipe_(std::move(pipe)) {
  // A pipe whose end cannot be made non-blocking would only cost the bound on waiting.
  static_cast<void>(set_nonblocking(pipe_));
}

void LogPipe::collect(char stream, std::string_view text, std::string& ready) {
  const std::scoped_lock lock(mutex_);
  const auto key = std::pair(std::this_thread::get_id(), stream);
  const auto partial = partial_.find(key);
  std::size_t end = text.find('\n');
  if (end != std::string_view::npos && partial != partial_.end()) {
    append_record(ready, stream, partial->second.append(text.substr(0, end)));
    partial_.erase(partial);
    text.remove_prefix(end + 1);
    end = text.find('\n');
  }
  for (; end != std::string_view::npos; end = text.find('\n')) {
    append_record(ready, stream, text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  if (text.empty()) return;
  std::string& rest = partial_[key].append(text);
  if (rest.size() > 16 * kLineMax) {  // somebody who never ends a line
    append_record(ready, stream, rest);
    partial_.erase(key);
  }
}

void LogPipe::collect_rest(std::string& ready) {
  const std::scoped_lock lock(mutex_);
  for (const auto& [key, text] : partial_) append_record(ready, key.second, text);
  partial_.clear();
}

bool LogPipe::write(std::string& ready) {
  std::size_t done = 0;
  bool all = true;
  while (done < ready.size()) {
    const std::size_t size = first_record_size(ready, done);
    const ssize_t written = ::write(pipe_.get(), ready.data() + done, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {
      all = false;
      break;
    }
    // Another error: the daemon is gone, and with it the log.
    done += size;
  }
  if (done > 0) stalled_ = false;
  ready.erase(0, done);
  return all;
}

bool LogPipe::wait_for_room() {
  if (stalled_) return false;
  pollfd wanted{pipe_.get(), POLLOUT, 0};
  if (::poll(&wanted, 1, kWaitMilliseconds) > 0) return true;
  stalled_ = true;
  return false;
}

void LogPipe::drop(const std::string& ready) {
  std::uint64_t lines = 0;
  for (std::size_t at = 0; at < ready.size(); at += first_record_size(ready, at)) ++lines;
  dropped_ += lines;
}

}  // namespace moult
