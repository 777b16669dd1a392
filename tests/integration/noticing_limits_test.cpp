// Where inotify reaches its limits.

#include "tests/integration/noticing.h"
#include "tests/support/raw_file.h"
#include "tests/support/skip.h"

#include <csignal>

using namespace moult::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

// Starts the daemon in a user namespace of its own where this limit of /proc/sys/user holds; false: that is
// not permitted here.
bool limit(Noticed& noticed, const std::string& name, int value) {
  const std::string set = "echo " + std::to_string(value) + " > /proc/sys/user/" + name;
  const std::vector<std::string> unshare{"unshare", "--user", "--map-root-user", "sh", "-c"};
  std::vector<std::string> probe = unshare;
  probe.push_back(set);
  const std::string folder = noticed.daemon.folder().path().string();
  if (!has_program("unshare") ||
      run(Command{probe, {{"PATH", "/usr/bin:/bin"}}, folder, {}, {}}, folder).status != 0) {
    skip("no user namespaces here");
    return false;
  }
  noticed.daemon.starter() = unshare;
  noticed.daemon.starter().push_back(set + " && exec \"$0\" \"$@\"");
  return true;
}

}  // namespace

TEST_CASE("when the events are too many the tree is looked at again, and nothing is missed") {
  Noticed blog;
  blog.app.write("part.py", "N = 0\n");
  blog.start();
  blog.daemon.send_signal(SIGSTOP);
  // Two events each, and no two alike in a row, which the kernel would make one of.
  const int most = std::stoi(read_file("/proc/sys/fs/inotify/max_queued_events"));
  for (int i = 0; i < most / 2 + 100; ++i) put(blog.app / (i % 2 == 0 ? "a.txt" : "b.txt"), "x");
  blog.app.write("app.py", answers_with_late_import("fresh.part"));
  blog.app.write("fresh/part.py", "VERSION = 'two'\n");
  blog.app.remove("part.py");
  blog.daemon.send_signal(SIGCONT);
  CHECK(blog.serves("two"));
  CHECK(blog.comes_to_why("seen", "too many events"));
  blog.app.write("fresh/part.py", "VERSION = 'three'\n");  // the new folder is watched
  CHECK(blog.serves("three"));
}

TEST_CASE("without an inotify watch left the tree is polled, and status says why") {
  Noticed blog;
  for (int i = 0; i < 30; ++i) blog.app.write("p" + std::to_string(i) + "/__init__.py", "");
  blog.app.write("p7/part.py", "VERSION = 'one'\n");
  blog.app.write("app.py", answers_with_late_import("p7.part"));
  if (!limit(blog, "max_inotify_watches", 20)) return;
  blog.start();
  CHECK(blog.status().text("/watch") == "polling");
  CHECK(blog.status().text("/watch_note").find("max_user_watches") != std::string::npos);
  CHECK(blog.status().text("/warnings/0").find("max_user_watches") != std::string::npos);
  blog.app.write("p7/part.py", "VERSION = 'two'\n");
  CHECK(blog.serves("two"));
  put(blog.app / "p7/part.py", "VERSION = 'six'\n");  // the same size
  CHECK(blog.serves("six"));
}

TEST_CASE("without an inotify instance left the tree is polled, and status says why") {
  Noticed blog;
  if (!limit(blog, "max_inotify_instances", 0)) return;
  blog.start();
  CHECK(blog.status().text("/watch") == "polling");
  CHECK(blog.status().text("/watch_note").find("max_user_instances") != std::string::npos);
  blog.app.write("app.py", answers("two"));
  CHECK(blog.serves("two"));
  CHECK(blog.rejected() == 0);
}

TEST_CASE("watches that run out while the daemon runs lose no change") {
  Noticed blog;
  if (!limit(blog, "max_inotify_watches", 30)) return;
  blog.start();
  CHECK(blog.status().text("/watch") == "inotify");
  for (int i = 0; i < 40; ++i) blog.app.write("p" + std::to_string(i) + "/__init__.py", "");
  blog.app.write("p39/part.py", "VERSION = 'two'\n");
  blog.app.write("app.py", answers_with_late_import("p39.part"));
  CHECK(blog.serves("two"));
  CHECK(eventually([&] { return blog.status().text("/watch") == "polling"; }));
  blog.app.write("p39/part.py", "VERSION = 'three'\n");
  CHECK(blog.serves("three"));
}
