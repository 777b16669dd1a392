#include "daemon/watch/writers.h"

#include "ipc/base/fd.h"

#include <fcntl.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <iterator>

namespace moult {

namespace {

// A hack, but there is no better question: a lease for reading is refused while a writer has the file
// open (fcntl(2), F_SETLEASE). It is given back at once; who opens the file for writing in that
// moment waits for it. Its holder would get SIGIO then, which kills by default; SIGURG does not. Only the
// owner of a file may ask (or CAP_LEASE), and not every file system knows leases: then there may be a
// writer.
bool has_no_writer(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) return errno == ENOENT;
  if (::fcntl(fd.get(), F_SETSIG, SIGURG) != 0) return false;
  if (::fcntl(fd.get(), F_SETLEASE, F_RDLCK) != 0) return false;
  ::fcntl(fd.get(), F_SETLEASE, F_UNLCK);
  return true;
}

}  // namespace

std::vector<std::string> files_without_writer(const std::vector<std::string>& paths) {
  std::vector<std::string> free;
  std::copy_if(paths.begin(), paths.end(), std::back_inserter(free), has_no_writer);
  return free;
}

}  // namespace moult
