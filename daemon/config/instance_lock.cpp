#include "daemon/config/instance_lock.h"

#include "daemon/config/paths.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <charconv>

namespace moult {

namespace {

Result<Fd> open_lock(const std::string& path, int flags) {
  Fd file(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return fail(last_os_error(path));
  return file;
}

// The whole file, bound to the open file (not the process), gone when its last descriptor is: what
// flock(2) does, but a look at it (F_OFD_GETLK) does not take it, so `ensure` cannot get in the way of
// a daemon that starts.
struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

InstanceInfo read_info(const Fd& file) {
  char buffer[8192];
  const ssize_t size = ::pread(file.get(), buffer, sizeof buffer, 0);
  return parse_instance_info(std::string_view(buffer, size > 0 ? static_cast<std::size_t>(size) : 0));
}

std::string running_message(const InstanceInfo& holder) {
  // Between the lock and the text of a daemon that starts in this moment the file is empty.
  if (holder.pid == 0) return "another moultd runs already";
  return fmt::format("another moultd (pid {}, socket {}) runs already", holder.pid, holder.socket);
}

}  // namespace

Result<InstanceLock> InstanceLock::acquire(const std::string& path, const InstanceInfo& info) {
  MOULT_TRY(make_private_folder(path.substr(0, path.rfind('/')), ::getuid()));
  MOULT_ASSIGN(Fd file, open_lock(path, O_RDWR | O_CREAT));
  struct flock lock = whole_file();
  if (::fcntl(file.get(), F_OFD_SETLK, &lock) != 0) {
    if (errno != EAGAIN && errno != EACCES) return fail(last_os_error(path));
    return fail(Error{ErrorCode::failed,
                      running_message(read_info(file)),
                      {},
                      {},
                      0,
                      fmt::format("it holds {}; to end it: moultctl shutdown", path)});
  }
  const std::string text = to_text(info);
  if (::ftruncate(file.get(), 0) != 0 ||
      ::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return fail(last_os_error(path));
  }
  return InstanceLock(std::move(file));
}

InstanceLock::~InstanceLock() {
  // Nobody may read a pid that is no longer ours; if it cannot be cleared, the lock still tells the truth.
  if (file_) [[maybe_unused]]
    const int result = ::ftruncate(file_.get(), 0);
}

std::optional<InstanceInfo> lock_holder(const std::string& path) {
  const auto file = open_lock(path, O_RDWR);
  struct flock lock = whole_file();
  if (!file || ::fcntl(file->get(), F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return {};
  return read_info(*file);
}

std::string to_text(const InstanceInfo& info) {
  return fmt::format("pid {}\nsocket {}\nconfig {}\n", info.pid, info.socket, info.config_folder);
}

InstanceInfo parse_instance_info(std::string_view text) {
  InstanceInfo info;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string_view key = line.substr(0, space);
    const std::string_view value = line.substr(std::min(space + 1, line.size()));
    if (key == "pid") {
      std::from_chars(value.data(), value.data() + value.size(), info.pid);
    } else if (key == "socket") {
      info.socket = value;
    } else if (key == "config") {
      info.config_folder = value;
    }
  }
  return info;
}

}  // namespace moult
