#include "watcher_bench.h"

#include <unistd.h>

using namespace moult;

TEST_CASE("a source that is written in place, replaced, renamed or removed is a change") {
  Bench bench;
  bench.start();
  CHECK(bench.watcher->status().mode == WatchMode::inotify);
  CHECK(bench.watcher->status().note.empty());
  bench.temp.write("app/blog/views.py", "y = 2\n");
  CHECK(bench.sees("app/blog/views.py"));
  bench.changes.clear();
  bench.temp.replace("app/blog/views.py", "y = 3\n");
  CHECK(bench.sees("app/blog/views.py"));
  bench.changes.clear();
  std::filesystem::rename(bench.temp.path("app/blog/views.py"), bench.temp.path("app/blog/forms.py"));
  CHECK(bench.sees("app/blog/views.py"));
  CHECK(bench.sees("app/blog/forms.py"));
  bench.changes.clear();
  bench.temp.remove("app/blog/forms.py");
  CHECK(bench.sees("app/blog/forms.py"));
}

TEST_CASE("a file with an older time than before is a change") {
  Bench bench;
  bench.start();
  bench.set_times("app/blog/views.py", 1'000'000'000);
  CHECK(bench.sees("app/blog/views.py"));
}

TEST_CASE("noise does not wake the owner, and why it did not can be read") {
  Bench bench;
  bench.spec.ignore = {"uploads/"};
  bench.temp.write("app/.gitignore", "*_gen.py\n");
  bench.temp.folder("app/uploads");
  bench.start();
  bench.temp.write("app/data.json", "{}");
  bench.temp.write("app/.app.py.swp", "");
  bench.temp.write("app/x_gen.py", "");
  bench.temp.write("app/uploads/x.py", "");
  bench.temp.write("app/__pycache__/app.cpython-311.pyc", "");
  bench.flush();
  CHECK(bench.changes.empty());
  CHECK(bench.ignored("app/data.json", "no source, and not named in `watch`"));
  CHECK(bench.ignored("app/.app.py.swp", "editor's file"));
  CHECK(bench.ignored("app/x_gen.py", ".gitignore:1 *_gen.py"));
  CHECK(bench.ignored("app/uploads", "ignore = \"uploads/\""));
}

TEST_CASE("sources in new folders are seen, those that were there before the watch too") {
  Bench bench;
  bench.start();
  bench.temp.write("app/shop/cart/deep/__init__.py", "");
  CHECK(bench.sees("app/shop/cart/deep/__init__.py"));
  bench.changes.clear();
  bench.temp.write("app/shop/cart/deep/late.py", "");
  CHECK(bench.sees("app/shop/cart/deep/late.py"));
}

TEST_CASE("a folder that is moved in, about or away is a change of its sources") {
  Bench bench;
  bench.temp.write("outside/m.py", "");
  bench.start();
  std::filesystem::rename(bench.temp.path("outside"), bench.temp.path("app/inside"));
  CHECK(bench.sees("app/inside/m.py"));
  bench.changes.clear();
  std::filesystem::rename(bench.temp.path("app/inside"), bench.temp.path("app/other"));
  CHECK(bench.sees("app/inside/m.py"));
  CHECK(bench.sees("app/other/m.py"));
  bench.changes.clear();
  bench.temp.write("app/other/m.py", "z = 1\n");
  CHECK(bench.sees("app/other/m.py"));
  bench.changes.clear();
  std::filesystem::rename(bench.temp.path("app/other"), bench.temp.path("outside"));
  CHECK(bench.sees("app/other/m.py"));
}

TEST_CASE("a release folder that is switched by renaming a symlink is a change") {
  Bench bench;
  bench.temp.write("releases/1/app.py", "");
  bench.temp.write("releases/2/app.py", "");
  bench.temp.link("releases/1", "current");
  bench.spec.tree = bench.temp.path("current");
  bench.spec.entry_file = bench.temp.path("current/app.py");
  bench.start();
  bench.temp.link("releases/2", "next");
  std::filesystem::rename(bench.temp.path("next"), bench.temp.path("current"));
  CHECK(bench.sees("current"));
  bench.changes.clear();
  bench.temp.write("releases/2/new.py", "");
  CHECK(bench.sees("releases/2/new.py"));
  bench.changes.clear();
  bench.temp.write("releases/1/new.py", "");
  bench.temp.write("releases/2/last.py", "");
  CHECK(bench.sees("releases/2/last.py"));
  CHECK_FALSE(bench.has(bench.temp.path("releases/1/new.py"), ChangeKind::source));
}

TEST_CASE("a tree that is deleted and made again is watched again, also with its parents") {
  Bench bench;
  bench.temp.write("srv/site/app/app.py", "");
  bench.spec.tree = bench.temp.path("srv/site/app");
  bench.spec.entry_file = bench.temp.path("srv/site/app/app.py");
  bench.start();
  bench.temp.remove("srv");
  CHECK(bench.run_until([&] { return !bench.watcher->status().tree_exists; }));
  CHECK(bench.watcher->status().note.find("is not there") != std::string::npos);
  bench.temp.write("srv/site/app/app.py", "");
  CHECK(bench.run_until([&] { return bench.watcher->status().tree_exists; }));
  bench.changes.clear();
  bench.temp.write("srv/site/app/new.py", "");
  CHECK(bench.sees("srv/site/app/new.py"));
}

TEST_CASE("a tree that is moved away and back as it was is not touched") {
  Bench bench;
  bench.start();
  std::filesystem::rename(bench.temp.path("app"), bench.temp.path("away"));
  CHECK(bench.run_until([&] { return !bench.watcher->status().tree_exists; }));
  std::filesystem::rename(bench.temp.path("away"), bench.temp.path("app"));
  CHECK(bench.run_until([&] { return bench.watcher->status().tree_exists; }));
  bench.flush();
  CHECK_FALSE(bench.has(bench.spec.entry_file, ChangeKind::entry_touch));
}

TEST_CASE("renaming a folder above the tree is noticed") {
  Bench bench;
  bench.temp.write("srv/site/app/app.py", "");
  bench.spec.tree = bench.temp.path("srv/site/app");
  bench.spec.entry_file.clear();
  bench.start();
  std::filesystem::rename(bench.temp.path("srv"), bench.temp.path("old"));
  CHECK(bench.run_until([&] { return !bench.watcher->status().tree_exists; }));
}

TEST_CASE("after an overflow everything is looked at, and what was missed is told") {
  Bench bench;
  bench.start();
  // Events that nobody reads are as good as lost: taken from the kernel without a look.
  bench.temp.write("app/blog/views.py", "lost\n");
  bench.temp.write("app/new/x.py", "");
  char lost[65536];
  CHECK(::read(bench.inotify.adder()->fd(), lost, sizeof lost) > 0);
  bench.inject(IN_Q_OVERFLOW);
  CHECK(bench.sees("app/blog/views.py"));
  CHECK(bench.sees("app/new/x.py"));
  bench.changes.clear();
  bench.temp.write("app/new/y.py", "");
  CHECK(bench.sees("app/new/y.py"));
}

TEST_CASE("a touch of restart.txt is told as such, its removal is not") {
  Bench bench;
  bench.start();
  bench.temp.write("app/tmp/restart.txt", "");
  CHECK(bench.sees("app/tmp/restart.txt", ChangeKind::restart_file));
  bench.changes.clear();
  bench.set_times("app/tmp/restart.txt", 1'000'000'000);
  CHECK(bench.sees("app/tmp/restart.txt", ChangeKind::restart_file));
  bench.changes.clear();
  bench.temp.remove("app/tmp/restart.txt");
  bench.flush();
  CHECK_FALSE(bench.has(bench.temp.path("app/tmp/restart.txt"), ChangeKind::restart_file));
}

TEST_CASE("a touch of the entry file is told as such, a chmod is not") {
  Bench bench;
  bench.start();
  REQUIRE(::chmod(bench.spec.entry_file.c_str(), 0600) == 0);
  bench.flush();
  CHECK_FALSE(bench.has(bench.spec.entry_file, ChangeKind::entry_touch));
  bench.set_times("app/app.py", 1'000'000'000);
  CHECK(bench.sees("app/app.py", ChangeKind::entry_touch));
}
