#include "daemon/tree/mounts.h"

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace moult {

namespace {

constexpr std::size_t kReadSize = 64 * 1024;
constexpr std::size_t kSizeMax = 4u << 20;  // some 20,000 mounts; beyond: what comes first

// "/srv/my\040app": blanks, tabs, line ends and backslashes stand as octal numbers.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&text, i](std::size_t at) { return text[i + at] - '0'; };
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>(digit(1) * 64 + digit(2) * 8 + digit(3));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// The fifth field.
std::string mount_point(std::string_view line) {
  for (int field = 0; field < 4; ++field) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) return {};
    line.remove_prefix(blank + 1);
  }
  return unescaped(line.substr(0, line.find(' ')));
}

}  // namespace

std::vector<std::string> mount_lines(std::string_view mountinfo) {
  std::vector<std::string> lines;
  while (!mountinfo.empty()) {
    const std::size_t end = std::min(mountinfo.find('\n'), mountinfo.size());
    lines.emplace_back(mountinfo.substr(0, end));
    mountinfo.remove_prefix(std::min(end + 1, mountinfo.size()));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::vector<std::string> changed_mount_points(const std::vector<std::string>& before,
                                              const std::vector<std::string>& after) {
  std::vector<std::string> changed;
  std::set_symmetric_difference(before.begin(), before.end(), after.begin(), after.end(),
                                std::back_inserter(changed));
  std::set<std::string> points;
  for (const std::string& line : changed) points.insert(mount_point(line));
  points.erase("");
  return {points.begin(), points.end()};
}

Mounts::Mounts(uv::Loop& loop, OnChange on_change)
    : fd_(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)), on_change_(std::move(on_change)) {
  if (!fd_) return;
  lines_ = read_lines();
  poll_ = std::make_unique<uv::Poll>(loop, fd_.get(), [this](int) { look(); });
  poll_->set(uv::Poll::kPriority);  // proc(5), /proc/pid/mounts: POLLPRI after each change
}

void Mounts::look() {
  std::vector<std::string> now = read_lines();
  const std::vector<std::string> points = changed_mount_points(lines_, now);
  lines_ = std::move(now);
  if (!points.empty()) on_change_(points);
}

std::vector<std::string> Mounts::read_lines() {
  std::string text;
  std::string buffer(kReadSize, '\0');
  ::lseek(fd_.get(), 0, SEEK_SET);
  for (ssize_t size = 0; text.size() < kSizeMax;) {
    size = ::read(fd_.get(), buffer.data(), buffer.size());
    if (size <= 0) break;
    text.append(buffer, 0, static_cast<std::size_t>(size));
  }
  return mount_lines(text);
}

}  // namespace moult
