#include "daemon/tree/file_system.h"

#include <sys/vfs.h>
#include <algorithm>
#include <array>

namespace moult {

namespace {

struct Remote {
  unsigned long type;
  std::string_view name;
};

// From statfs(2) and <linux/magic.h>.
constexpr std::array<Remote, 14> kRemotes{{
    {0x6969, "nfs"},
    {0xff534d42, "cifs"},
    {0xfe534d42, "smb2"},
    {0x517b, "smb"},
    {0x65735546, "fuse"},
    {0x01021997, "9p"},
    {0x00c36400, "ceph"},
    {0x5346414f, "afs"},
    {0x73757245, "coda"},
    {0x0bd00bd0, "lustre"},
    {0x47504653, "gpfs"},
    {0x786f4256, "vboxsf"},
    {0x01161970, "gfs2"},
    {0x7461636f, "ocfs2"},
}};

}  // namespace

std::string_view remote_file_system(unsigned long type) {
  // Some kernels extend the sign of the 32-bit number.
  const unsigned long number = type & 0xffffffffUL;
  const auto found = std::find_if(kRemotes.begin(), kRemotes.end(),
                                  [number](const Remote& remote) { return remote.type == number; });
  return found == kRemotes.end() ? std::string_view() : found->name;
}

std::string_view remote_file_system(const std::string& path) {
  struct statfs status {};
  if (::statfs(path.c_str(), &status) != 0) return {};
  return remote_file_system(static_cast<unsigned long>(status.f_type));
}

}  // namespace moult
