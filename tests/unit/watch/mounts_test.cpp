#include "daemon/tree/mounts.h"

#include <doctest/doctest.h>

using namespace moult;

namespace {

constexpr const char* kBefore =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "36 22 0:30 / /proc rw - proc proc rw\n"
    "40 22 8:1 /releases/1 /srv/app rw shared:1 - ext4 /dev/sda1 rw\n";

using Points = std::vector<std::string>;

Points changes(const std::string& before, const std::string& after) {
  return changed_mount_points(mount_lines(before), mount_lines(after));
}

}  // namespace

TEST_CASE("a mount, an unmount and another mount at the same place change that place") {
  const std::string before = kBefore;
  CHECK(changes(before, before).empty());
  CHECK(changes(before, before + "41 22 8:1 /x /mnt rw - ext4 /dev/sda1 rw\n") == Points{"/mnt"});
  CHECK(changes(before + "41 22 8:1 /x /mnt rw - ext4 /dev/sda1 rw\n", before) == Points{"/mnt"});
  std::string other = before;
  other.replace(other.find("/releases/1"), 11, "/releases/2");
  CHECK(changes(before, other) == Points{"/srv/app"});
}

TEST_CASE("the order of mounts does not matter, and blanks in names are understood") {
  CHECK(changes("1 0 0:1 / /a rw\n2 0 0:1 / /b rw\n", "2 0 0:1 / /b rw\n1 0 0:1 / /a rw\n").empty());
  CHECK(changes("", "1 0 0:1 / /my\\040app\\134 rw\n") == Points{"/my app\\"});
}

TEST_CASE("lines that are none are no places") {
  CHECK(changes("", "\n1 0\n1 0 0:1 /").empty());
  CHECK(changes("", "1 0 0:1 / /cut\\04") == Points{"/cut\\04"});
}
