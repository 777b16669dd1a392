#include "tests/support/skip.h"
#include "watcher_bench.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fstream>

using namespace moult;

TEST_CASE("imported files count wherever they are, also ignored ones, and are no change by themselves") {
  Bench bench;
  bench.temp.write("lib/helper.py", "");
  bench.temp.write("app/.gitignore", "_version.py\n");
  bench.temp.write("app/blog/_version.py", "");
  bench.start();
  bench.watcher->add_files({bench.temp.path("lib/helper.py"), bench.temp.path("app/blog/_version.py")},
                           FileRole::imported);
  REQUIRE(bench.run_until([&] {
    if (bench.watcher->status().files == 5) return true;
    bench.flush();
    return false;
  }));
  CHECK(bench.changes.empty());
  bench.temp.write("lib/helper.py", "h = 1\n");
  CHECK(bench.sees("lib/helper.py"));
  bench.temp.replace("app/blog/_version.py", "v = 2\n");
  CHECK(bench.sees("app/blog/_version.py"));
  // Neighbours of an imported file are none of ours, a new folder beside an ignored one keeps it.
  bench.changes.clear();
  bench.temp.write("lib/other.py", "");
  bench.temp.write("app/blog/sub/x.py", "");
  CHECK(bench.sees("app/blog/sub/x.py"));
  CHECK_FALSE(bench.has(bench.temp.path("lib/other.py"), ChangeKind::source));
  CHECK_FALSE(bench.has(bench.temp.path("app/blog/_version.py"), ChangeKind::source));
}

TEST_CASE("opened files are data, and one that the app itself keeps writing is left alone") {
  Bench bench;
  bench.temp.write("app/page.html", "");
  bench.temp.write("app/cache.json", "");
  bench.start();
  bench.watcher->add_files({bench.temp.path("app/page.html"), bench.temp.path("app/cache.json")},
                           FileRole::opened);
  REQUIRE(bench.run_until([&] {
    bench.flush();
    return bench.watcher->status().files == 5;
  }));
  bench.temp.write("app/page.html", "<p>");
  CHECK(bench.sees("app/page.html", ChangeKind::watched_data));
  bench.changes.clear();
  for (int i = 0; i < 40; ++i) {
    bench.temp.replace("app/cache.json", std::to_string(i));
    bench.flush();
  }
  CHECK(bench.has(bench.temp.path("app/cache.json"), ChangeKind::watched_data));
  CHECK(bench.changes.size() < 30);
  CHECK(bench.ignored("app/cache.json", "changes too often to be a part of the app"));
}

TEST_CASE("an opened file that the app writes itself wakes nobody, unless watch names it") {
  Bench bench;
  for (const char* name : {"app/data.json", "app/named.json", "app/page.html"}) bench.temp.write(name, "");
  bench.spec.watch = {bench.temp.path("app/named.json")};
  bench.start();
  const std::vector<std::string> files{bench.temp.path("app/data.json"), bench.temp.path("app/named.json")};
  bench.watcher->add_files({files[0], files[1], bench.temp.path("app/page.html")}, FileRole::opened);
  bench.watcher->add_files(files, FileRole::written);
  REQUIRE(bench.run_until([&] {
    bench.flush();
    return bench.watcher->status().files == 6;
  }));
  bench.watcher->forget_files();  // another generation opens them, and what was written stays so
  bench.watcher->add_files({files[0], files[1], bench.temp.path("app/page.html")}, FileRole::opened);
  bench.changes.clear();
  bench.temp.write("app/data.json", "1");
  bench.temp.replace("app/data.json", "2");
  bench.temp.write("app/named.json", "1");
  bench.temp.write("app/page.html", "1");
  CHECK(bench.sees("app/page.html", ChangeKind::watched_data));
  CHECK(bench.sees("app/named.json", ChangeKind::watched_data));
  CHECK_FALSE(bench.has(files[0], ChangeKind::watched_data));
  CHECK(bench.ignored("app/data.json", "written by the app itself"));
}

TEST_CASE("a folder of the name of a module is not touched by what is written into it") {
  Bench bench;
  bench.spec.entry_file = bench.temp.path("app/blog");
  bench.start();
  bench.temp.write("app/blog/__pycache__/views.pyc", "");
  bench.temp.write("app/blog/new.py", "");
  CHECK(bench.sees("app/blog/new.py"));
  bench.flush();
  CHECK_FALSE(bench.has(bench.spec.entry_file, ChangeKind::entry_touch));
}

TEST_CASE("files and folders named in watch count, with new folders below them") {
  Bench bench;
  bench.temp.write("app/.gitignore", "templates/\n");
  bench.temp.write("app/templates/a.html", "");
  bench.spec.watch = {bench.temp.path("app/templates"), bench.temp.path("app/settings.toml")};
  bench.start();
  bench.temp.write("app/templates/a.html", "<p>");
  CHECK(bench.sees("app/templates/a.html", ChangeKind::watched_data));
  bench.temp.write("app/settings.toml", "");
  CHECK(bench.sees("app/settings.toml", ChangeKind::watched_data));
  bench.temp.write("app/templates/blog/deep/b.html", "");
  CHECK(bench.sees("app/templates/blog/deep/b.html", ChangeKind::watched_data));
  bench.changes.clear();
  bench.temp.write("app/templates/blog/deep/b.html", "<b>");
  CHECK(bench.sees("app/templates/blog/deep/b.html", ChangeKind::watched_data));
}

TEST_CASE("symlinked packages and sources are watched where they are") {
  Bench bench;
  bench.temp.write("shared/tools/__init__.py", "");
  bench.temp.write("shared/conf.py", "");
  bench.temp.link("../shared/conf.py", "app/conf.py");
  bench.start();
  bench.temp.replace("shared/conf.py", "c = 1\n");
  CHECK(bench.sees("app/conf.py"));
  bench.temp.link("../shared/tools", "app/tools");
  CHECK(bench.sees("app/tools/__init__.py"));
  bench.changes.clear();
  bench.temp.write("shared/tools/__init__.py", "t = 1\n");
  CHECK(bench.sees("app/tools/__init__.py"));
}

TEST_CASE("a lock of git is told when it comes and when it goes") {
  Bench bench;
  bench.temp.write("app/.git/HEAD", "ref: refs/heads/main\n");
  bench.temp.write("app/.git/index.lock", "");
  bench.start();
  CHECK(bench.has(bench.temp.path("app/.git/index.lock"), ChangeKind::vcs_lock_taken));
  bench.changes.clear();
  std::filesystem::rename(bench.temp.path("app/.git/index.lock"), bench.temp.path("app/.git/index"));
  CHECK(bench.sees("app/.git/index.lock", ChangeKind::vcs_lock_released));
  bench.temp.write("app/.git/index.lock", "");
  CHECK(bench.sees("app/.git/index.lock", ChangeKind::vcs_lock_taken));
}

TEST_CASE("an installed package is a change of the packages, byte code is none") {
  Bench bench;
  const std::string site = bench.temp.folder("venv/lib/python3.11/site-packages");
  bench.spec.packages = {site};
  bench.start();
  bench.temp.folder("venv/lib/python3.11/site-packages/__pycache__");
  bench.flush();
  CHECK(bench.changes.empty());
  bench.temp.folder("venv/lib/python3.11/site-packages/flask");
  CHECK(bench.sees("venv/lib/python3.11/site-packages/flask", ChangeKind::packages));
}

TEST_CASE("an installed module that is written in place is a change of the packages, inotify or not") {
  const std::string site = "venv/lib/python3.11/site-packages";
  for (const bool polls : {false, true}) {
    CAPTURE(polls);
    Bench bench;
    bench.spec.always_poll = polls;
    bench.spec.packages = {bench.temp.folder(site)};
    bench.temp.write(site + "/six.py", "V = 1\n");
    bench.temp.write(site + "/notes.txt", "");
    bench.start();
    CHECK(bench.changes.empty());
    bench.temp.write(site + "/notes.txt", "longer");
    bench.flush();
    CHECK(bench.changes.empty());
    bench.temp.write(site + "/six.py", "V = 20\n");
    CHECK(bench.sees(site + "/six.py", ChangeKind::packages));
  }
}

TEST_CASE("two apps with one tree both hear of it, and one goes without taking it from the other") {
  Bench bench;
  bench.start();
  std::vector<Change> second;
  WhyLog why;
  auto other = std::make_unique<TreeWatcher>(bench.loop, bench.inotify, bench.spec, why,
                                             [&](const Change& change) { second.push_back(change); });
  bool ready = false;
  other->start([&] {
    ready = true;
    bench.loop.stop();
  });
  REQUIRE(bench.run_until([&] { return ready; }));
  bench.flush();
  CHECK_FALSE(second.empty());
  other.reset();
  bench.flush();
  bench.watcher.reset();
  CHECK(bench.inotify.watches() == 0);
}

TEST_CASE("a watcher may end while its scan is under way, and inside its own callback") {
  Bench bench;
  bench.watcher =
      std::make_unique<TreeWatcher>(bench.loop, bench.inotify, bench.spec, bench.why, [](const Change&) {});
  bench.watcher->start([] { FAIL("it has ended"); });
  bench.watcher.reset();
  Bench inside;
  inside.watcher = std::make_unique<TreeWatcher>(inside.loop, inside.inotify, inside.spec, inside.why,
                                                 [&](const Change& change) {
                                                   inside.changes.push_back(change);
                                                   inside.watcher.reset();
                                                   inside.loop.stop();
                                                 });
  inside.watcher->start([&] { inside.loop.stop(); });
  REQUIRE(inside.run_until([&] { return inside.watcher->status().mode == WatchMode::inotify; }));
  inside.temp.write("app/blog/views.py", "end\n");
  CHECK(inside.run_until([&] { return !inside.watcher; }));
  CHECK(inside.changes.size() == 1);
}

TEST_CASE("where the folder is not the app's only the file and what it imports is watched") {
  Bench bench;
  bench.temp.write("app/app.py", "import helper\n");
  bench.temp.write("app/helper.py", "");
  bench.temp.write("app/late.py", "");
  bench.spec.reach = Reach::files;
  bench.start();
  bench.temp.write("app/blog/views.py", "none of ours\n");
  bench.temp.write("app/late.py", "not yet\n");
  bench.temp.write("app/helper.py", "import late\n");
  CHECK(bench.sees("app/helper.py"));
  CHECK(bench.changes.front().path == bench.temp.path("app/helper.py"));
  CHECK(bench.run_until([&] { return bench.watcher->status().files == 3; }));
  CHECK_FALSE(bench.has(bench.temp.path("app/late.py"), ChangeKind::source));
  bench.temp.write("app/late.py", "now\n");
  CHECK(bench.sees("app/late.py"));
  bench.temp.write("app/app.py", "import helper, blog\n");
  CHECK(bench.run_until([&] { return bench.watcher->status().files == 5; }));
  bench.temp.write("app/app.py", "import helper, missing\n");
  CHECK(bench.run_until([&] { return bench.watcher->status().files == 3; }));
  bench.temp.write("app/missing.py", "");
  CHECK(bench.sees("app/missing.py"));
}

TEST_CASE("polling sees what inotify would, and says that it polls") {
  Bench bench;
  bench.spec.always_poll = true;
  bench.temp.write("app/.git/HEAD", "");
  bench.start();
  CHECK(bench.watcher->status().mode == WatchMode::polling);
  CHECK(bench.watcher->status().note == "`polling = true`");
  CHECK(bench.watcher->status().interval.count() >= 500);
  CHECK(bench.inotify.watches() == 0);
  bench.temp.write("app/blog/views.py", "y = 2\n");
  bench.temp.write("app/new/x.py", "");
  bench.temp.write("app/tmp/restart.txt", "");
  bench.temp.write("app/.git/index.lock", "");
  CHECK(bench.sees("app/blog/views.py"));
  CHECK(bench.sees("app/new/x.py"));
  CHECK(bench.sees("app/tmp/restart.txt", ChangeKind::restart_file));
  CHECK(bench.sees("app/.git/index.lock", ChangeKind::vcs_lock_taken));
}

#ifndef __SANITIZE_THREAD__  // which has no threads after a fork
TEST_CASE("where the limit of watches is reached it polls, says so, and gives its watches back") {
  // In a child with a user namespace of its own, whose limit is ours to set (namespaces(7)).
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWUSER) != 0) ::_exit(77);
    std::ofstream limit("/proc/sys/user/max_inotify_watches");
    if (!(limit << 2 << std::flush)) ::_exit(77);
    Bench bench;
    const std::string views = bench.temp.path("app/blog/views.py");
    bool ready = false;
    TreeWatcher watcher(bench.loop, bench.inotify, bench.spec, bench.why, [&](const Change& change) {
      bench.changes.push_back(change);
      bench.loop.stop();
    });
    watcher.start([&] { ready = true; });
    if (!bench.run_until([&] { return ready; })) ::_exit(1);
    const WatchStatus status = watcher.status();
    if (status.mode != WatchMode::polling || bench.inotify.watches() != 0) ::_exit(2);
    if (status.note.find("max_user_watches") == std::string::npos) ::_exit(3);
    bench.temp.write("app/blog/views.py", "y = 2\n");
    if (!bench.run_until([&] { return bench.has(views, ChangeKind::source); })) ::_exit(4);
    std::filesystem::remove_all(bench.temp.root());
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) {
    moult::testing::skip("user namespaces are not allowed here");
  } else {
    CHECK(WEXITSTATUS(status) == 0);
  }
}

#endif

TEST_CASE("polling tells the same file again when it changes again") {
  Bench bench;
  bench.spec.always_poll = true;
  bench.start();
  for (int i = 0; i < 2; ++i) {
    bench.changes.clear();
    bench.temp.write("app/blog/views.py", std::to_string(i));
    CHECK(bench.sees("app/blog/views.py"));
  }
}
