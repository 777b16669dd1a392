#pragma once

#include <fcntl.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace moult::testing {

// A file as system calls see it, for cases that change one in exactly the steps that some program
// does. Throws where the kernel refuses. The destructor closes it.
class RawFile {
 public:
  explicit RawFile(const std::filesystem::path& path, int flags = O_WRONLY | O_CREAT | O_TRUNC);
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;
  ~RawFile();

  void write(std::string_view text);
  void truncate(std::size_t size);
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

// open, write, close
inline void put(const std::filesystem::path& path, std::string_view text,
                int flags = O_WRONLY | O_CREAT | O_TRUNC) {
  RawFile(path, flags).write(text);
}

// Sets the time of change; seconds since 1970. `Access`: whether the time of access is set with it, as
// most programs do, or left alone.
enum class Access { set, left_alone };
void set_time(const std::filesystem::path& path, long long seconds, Access access = Access::set);

}  // namespace moult::testing
