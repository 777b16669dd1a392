#include "daemon/front/output.h"
#include "daemon/front/static_files.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

// The part of static files that touches the file system; all of it runs in the background.

namespace moult::http {

namespace {

constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;  // O_NONBLOCK: a FIFO must not hang us

// The kernel itself keeps the walk inside the folder (openat2(2), Linux 5.6).
Fd open_beneath(const std::string& root, const std::string& relative) {
  const Fd folder(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return {};
  open_how how{};
  how.flags = kFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return Fd(static_cast<int>(::syscall(SYS_openat2, folder.get(), relative.c_str(), &how, sizeof how)));
}

bool is_inside(const Fd& fd, const std::string& root) {
  char resolved_root[PATH_MAX];
  char resolved[PATH_MAX];
  if (::realpath(root.c_str(), resolved_root) == nullptr) return false;
  const ssize_t size =
      ::readlink(fmt::format("/proc/self/fd/{}", fd.get()).c_str(), resolved, sizeof resolved);
  if (size <= 0 || size == sizeof resolved) return false;
  const std::string_view path(resolved, static_cast<std::size_t>(size));
  const std::string_view folder(resolved_root);
  if (folder == "/") return true;
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

Fd open_inside(const std::string& root, const std::string& relative) {
  Fd fd = open_beneath(root, relative);
  // EXDEV: an absolute symlink, which may still end inside. The others: an old kernel, a sandbox.
  if (fd || (errno != EXDEV && errno != ENOSYS && errno != EPERM && errno != E2BIG)) return fd;
  fd = Fd(::open((root + "/" + relative).c_str(), kFlags));
  return fd && is_inside(fd, root) ? std::move(fd) : Fd();
}

}  // namespace

StaticFile open_static(const std::string& root, const std::string& relative) {
  StaticFile found;
  if (!is_safe_relative(relative)) return found;
  Fd fd = open_inside(root, relative);
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return found;
  found.size = static_cast<std::uint64_t>(status.st_size);
  found.modified = status.st_mtim.tv_sec;
  found.etag = fmt::format("\"{:x}-{:x}{:08x}-{:x}\"", status.st_size, status.st_mtim.tv_sec,
                           status.st_mtim.tv_nsec, status.st_ino);
  found.file = std::make_shared<const Fd>(std::move(fd));
  found.in_memory = std::min(found.size, Output::kFileWindow);
  read_into_memory({found.file, 0, found.in_memory, 0});
  return found;
}

std::shared_ptr<StaticJob> open_static_in_background(uv::Loop& loop, std::string root, std::string relative,
                                                     std::function<void(StaticFile)> on_done) {
  auto job = std::make_shared<StaticJob>();
  job->on_done = std::move(on_done);
  uv::compute_in_background<StaticFile>(
      loop, {uv::Work::files, root},
      [root, relative = std::move(relative)] { return open_static(root, relative); },
      [job](StaticFile file) {
        // Taken out first: it drops the connection's own reference to the job.
        const auto announce = std::move(job->on_done);
        if (announce) announce(std::move(file));
      });
  return job;
}

}  // namespace moult::http
