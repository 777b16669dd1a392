#include "tests/support/raw_file.h"

#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <system_error>

namespace moult::testing {

namespace {

void check(bool good, const std::string& what) {
  if (!good) throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

RawFile::RawFile(const std::filesystem::path& path, int flags)
    : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
  check(fd_ >= 0, path.string());
}

RawFile::~RawFile() { ::close(fd_); }

void RawFile::write(std::string_view text) {
  check(::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()), "write");
}

void RawFile::truncate(std::size_t size) {
  check(::ftruncate(fd_, static_cast<off_t>(size)) == 0, "ftruncate");
}

void set_time(const std::filesystem::path& path, long long seconds, Access access) {
  const timespec time{seconds, 0};
  const timespec other{0, access == Access::set ? UTIME_NOW : UTIME_OMIT};
  const timespec times[2] = {other, time};
  check(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0, path.string());
}

}  // namespace moult::testing
