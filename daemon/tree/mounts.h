#pragma once

#include "ipc/base/fd.h"
#include "ipc/uv/loop.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// The lines of /proc/self/mountinfo (proc(5)), sorted.
std::vector<std::string> mount_lines(std::string_view mountinfo);
// The folders on which something was mounted or unmounted between the two; each once, sorted.
std::vector<std::string> changed_mount_points(const std::vector<std::string>& before,
                                              const std::vector<std::string>& after);

// Tells where file systems are mounted and unmounted: inotify does not when a folder that it watches
// disappears below a mount. One per daemon, owned by its Inotify; loop thread. Without /proc it tells
// nothing.
class Mounts {
 public:
  using OnChange = std::function<void(const std::vector<std::string>& points)>;

  Mounts(uv::Loop& loop, OnChange on_change);
  Mounts(const Mounts&) = delete;
  Mounts& operator=(const Mounts&) = delete;

 private:
  void look();
  std::vector<std::string> read_lines();

  Fd fd_;
  OnChange on_change_;
  std::vector<std::string> lines_;
  std::unique_ptr<uv::Poll> poll_;
};

}  // namespace moult
