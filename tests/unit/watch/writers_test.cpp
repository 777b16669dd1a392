#include "daemon/watch/writers.h"

#include "ipc/base/fd.h"
#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace moult;

using Paths = std::vector<std::string>;

TEST_CASE("a file has a writer for as long as somebody has it open for writing") {
  TempTree temp;
  const std::string path = temp.write("a.py", "x = 1\n");
  const Fd reader(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(files_without_writer({path}) == Paths{path});
  {
    const Fd writer(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    CHECK(files_without_writer({path}).empty());
  }
  CHECK(files_without_writer({path}) == Paths{path});
  const Fd writer(::open(path.c_str(), O_WRONLY | O_CLOEXEC));  // nothing of ours keeps it out
  CHECK(writer);
}

TEST_CASE("what is gone has no writer, and of what cannot be asked nothing is known") {
  TempTree temp;
  CHECK(files_without_writer({temp.path("gone.py")}) == Paths{temp.path("gone.py")});
  CHECK(files_without_writer({temp.folder("folder.py")}).empty());
  REQUIRE(::mkfifo(temp.path("pipe.py").c_str(), 0600) == 0);
  CHECK(files_without_writer({temp.path("pipe.py")}).empty());  // and it does not hang
}
