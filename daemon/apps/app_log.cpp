#include "daemon/apps/app_log.h"

#include "ipc/base/count_of.h"
#include "ipc/base/fd.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cstdio>
#include <ctime>

namespace moult {

namespace {

void rotate(const std::string& file, int keep) {
  for (int number = keep; number > 1; --number) {
    std::rename(fmt::format("{}.{}", file, number - 1).c_str(), fmt::format("{}.{}", file, number).c_str());
  }
  if (keep > 0) {
    std::rename(file.c_str(), (file + ".1").c_str());
  } else {
    ::unlink(file.c_str());
  }
}

// The lines at the start of `text` that fit into `room` bytes; at least one.
std::string_view lines_that_fit(std::string_view text, std::uint64_t room) {
  if (text.size() <= room) return text;
  const std::size_t last =
      room == 0 ? std::string_view::npos : text.rfind('\n', static_cast<std::size_t>(room) - 1);
  if (last != std::string_view::npos) return text.substr(0, last + 1);
  return text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1);
}

Result<> append(const std::string& file, std::string_view text) {
  const Fd fd(::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600));
  if (!fd) return fail(last_os_error(file));
  return write_all(fd.get(), text, file);
}

struct Written {
  std::uint64_t lost = 0;  // lines
  std::string problem{};
};

// Runs in the background.
Written append_and_rotate(const std::string& file, std::string_view text, std::uint64_t max_size, int keep) {
  while (!text.empty()) {
    struct stat status {};
    const std::uint64_t size =
        ::stat(file.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
    std::string_view slice = lines_that_fit(text, max_size > size ? max_size - size : 0);
    if (size > 0 && size + slice.size() > max_size) {
      rotate(file, keep);
      slice = lines_that_fit(text, max_size);
    }
    if (const auto written = append(file, slice); !written) return {lines_in(text), written.error().message};
    text.remove_prefix(slice.size());
  }
  return {};
}

}  // namespace

std::string to_text(const LogLine& line) {
  return fmt::format("{} [{}] {}: {}", rfc3339(line.time), line.generation, line.stream, line.text);
}

bool parse_log_line(std::string_view text, LogLine& line) {
  std::tm parts{};
  int millisecond = 0;
  unsigned long generation = 0;
  char stream[16] = {};
  int used = 0;
  const std::string copy(text.substr(0, 80));
  // sscanf takes numbers of any length: a line that lost its front must not pass for one of year 26.
  if (copy.size() < 24 || copy[4] != '-' || copy[10] != 'T' ||
      std::sscanf(copy.c_str(), "%d-%d-%dT%d:%d:%d.%dZ [%lu] %15[a-z]:%n", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &millisecond, &generation,
                  stream, &used) != 9 ||
      used == 0 || copy[static_cast<std::size_t>(used)] != ' ') {
    return false;
  }
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  line.time = std::chrono::system_clock::from_time_t(::timegm(&parts)) + Milliseconds(millisecond);
  line.generation = generation;
  line.stream = stream;
  line.text = text.substr(static_cast<std::size_t>(used) + 1);
  return true;
}

std::string log_file(const std::string& folder) { return folder + "/app.log"; }

std::deque<LogLine> last_lines(const std::string& file) {
  std::deque<LogLine> lines;
  // An app may have put a pipe in its place, which would never open.
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return lines;
  constexpr off_t kTail = 64 * 1024;
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  ::lseek(fd.get(), std::max<off_t>(size - kTail, 0), SEEK_SET);
  std::string text(kTail, '\0');
  const ssize_t count = ::read(fd.get(), text.data(), text.size());
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    LogLine line;
    if (parse_log_line(std::string_view(text).substr(at, end - at), line)) lines.push_back(std::move(line));
    at = end + 1;
  }
  return lines;
}

// Lives until the last line is written.
struct AppLog::Writer : std::enable_shared_from_this<Writer> {
  uv::Loop& loop;
  std::string file;
  std::uint64_t max_size;
  int keep;
  OnProblem on_problem;  // null: the log has gone
  std::string buffer{};
  bool busy = false;
  std::uint64_t lost = 0;
  std::string problem{};

  Writer(uv::Loop& its_loop, std::string its_file, std::uint64_t its_max, int its_keep,
         OnProblem its_on_problem)
      : loop(its_loop),
        file(std::move(its_file)),
        max_size(its_max),
        keep(its_keep),
        on_problem(std::move(its_on_problem)) {}

  void pump() {
    if (busy || buffer.empty()) return;
    busy = true;
    uv::compute_in_background<Written>(
        loop, {uv::Work::state, file},
        [file = file, text = std::exchange(buffer, {}), max = max_size, keep = keep] {
          return append_and_rotate(file, text, max, keep);
        },
        [self = shared_from_this()](const Written& written) {
          self->busy = false;
          self->note(written);
          self->pump();
        });
  }

  // Once for each problem, not for each line.
  void note(const Written& written) {
    lost += written.lost;
    if (std::exchange(problem, written.problem) == problem || problem.empty() || !on_problem) return;
    on_problem({ErrorCode::os, fmt::format("the app's log cannot be written: {}", problem)});
  }
};

AppLog::AppLog(uv::Loop& loop, std::string file, std::deque<LogLine> before, std::uint64_t max_size, int keep,
               OnProblem on_problem)
    : file_(std::move(file)),
      lines_(std::move(before)),
      writer_(std::make_shared<Writer>(loop, file_, max_size, keep, std::move(on_problem))) {}

AppLog::~AppLog() { writer_->on_problem = nullptr; }

std::uint64_t AppLog::dropped() const { return dropped_ + writer_->lost; }

const std::string& AppLog::problem() const { return writer_->problem; }

void AppLog::add(LogLine line) {
  std::replace(line.text.begin(), line.text.end(), '\n', ' ');
  std::string text = to_text(line);
  text += '\n';
  std::string& buffer = writer_->buffer;
  if (buffer.size() + text.size() > kBufferMax) {
    ++dropped_;
  } else {
    if (const std::uint64_t all = dropped(); all != dropped_told_) {
      buffer +=
          to_text({line.time, 0, "moult", count_of(all - dropped_told_, "line") + " dropped here"}) + "\n";
      dropped_told_ = all;
    }
    buffer += text;
  }
  // A follower may leave while one is told.
  for (const auto& [id, on_line] : std::vector(followers_)) {
    const auto is_it = [id = id](const auto& follower) { return follower.first == id; };
    if (std::any_of(followers_.begin(), followers_.end(), is_it)) on_line(line);
  }
  lines_.push_back(std::move(line));
  if (lines_.size() > kKept) lines_.pop_front();
  writer_->pump();
}

void AppLog::set_limits(std::uint64_t max_size, int keep) {
  writer_->max_size = max_size;
  writer_->keep = keep;
}

int AppLog::follow(std::function<void(const LogLine&)> on_line) {
  followers_.emplace_back(next_follower_, std::move(on_line));
  return next_follower_++;
}

void AppLog::unfollow(int id) {
  std::erase_if(followers_, [&](const auto& follower) { return follower.first == id; });
}

}  // namespace moult
