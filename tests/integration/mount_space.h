#pragma once

#include "tests/support/raw_file.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace moult::testing {

// A mount namespace, which only this thread and what it starts are in while it lives. Nothing that is mounted
// in it is seen outside.
class MountSpace {
 public:
  MountSpace() : outer_("/proc/self/ns/mnt", O_RDONLY), root_("/", O_PATH), folder_(".", O_PATH) {
    entered_ = ::unshare(CLONE_NEWNS) == 0;
    is_private_ =
        entered_ && (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 || has_no_peers());
    if (!is_private_) skip("mounting is not permitted");
  }
  ~MountSpace() {
    if (!entered_) return;
    // setns(2) leads to the root of the namespace, which in a chroot is another one.
    const bool is_back = ::setns(outer_.fd(), CLONE_NEWNS) == 0 && ::fchdir(root_.fd()) == 0 &&
                         ::chroot(".") == 0 && ::fchdir(folder_.fd()) == 0;
    if (!is_back) std::abort();
  }
  MountSpace(const MountSpace&) = delete;
  MountSpace& operator=(const MountSpace&) = delete;
  explicit operator bool() const { return is_private_; }

 private:
  // In a chroot "/" is no mount, so that it cannot be made private; who made the chroot may have done so.
  static bool has_no_peers() {
    std::ifstream mounts("/proc/self/mountinfo");
    const std::string text{std::istreambuf_iterator<char>(mounts), {}};
    return !text.empty() && text.find(" shared:") == std::string::npos;
  }

  const RawFile outer_;
  const RawFile root_;
  const RawFile folder_;
  bool entered_ = false;
  bool is_private_ = false;
};

struct Unmounts {
  const std::filesystem::path folder;
  ~Unmounts() { ::umount2(folder.c_str(), MNT_DETACH); }
};

}  // namespace moult::testing
