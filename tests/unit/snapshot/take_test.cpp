#include "taken_app.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>

using namespace moult;

TEST_CASE("a snapshot has every source of the tree and nothing else") {
  TakenApp app;
  app.temp.write("app/data.json", "{}");
  app.temp.write("app/.git/hooks/x.py", "");
  app.temp.write("app/__pycache__/app.py", "");
  app.temp.write("app/node_modules/gyp/gyp.py", "");
  app.temp.write("app/env/pyvenv.cfg", "");
  app.temp.write("app/env/lib/python3.11/site-packages/flask.py", "");
  app.temp.write("app/.gitignore", "*.py\n");
  const SnapshotPtr snapshot = app.take();
  CHECK(app.names(snapshot) == Names{"app/app.py", "app/blog/__init__.py", "app/blog/views.py"});
  CHECK(snapshot->root == app.spec.tree);
  CHECK(snapshot->source_count == 3);
  CHECK(snapshot->source_bytes == 18);
  CHECK(snapshot->find(app.temp.path("app/app.py"))->hash == hash_of("import blog\n"));
  CHECK(snapshot->find(app.temp.path("app/none.py")) == nullptr);
}

TEST_CASE("the same content has the same id, whatever the times say, and other content another") {
  TakenApp app;
  const std::string first = app.take()->id;
  app.temp.replace("app/app.py", "import blog\n");
  CHECK(app.take()->id == first);
  app.temp.write("app/app.py", "import bloG\n");
  CHECK(app.take()->id != first);
}

TEST_CASE("a tree behind a symlink is taken where it really is") {
  TakenApp app;
  app.temp.link("app", "current");
  app.spec.tree = app.temp.path("current");
  app.spec.entry_file = app.temp.path("current/site.wsgi");
  app.temp.write("app/site.wsgi", "application = 1\n");
  const SnapshotPtr snapshot = app.take();
  CHECK(snapshot->root == app.temp.path("app"));
  CHECK(snapshot->find(app.temp.path("app/site.wsgi")) != nullptr);
}

TEST_CASE("symlinked packages are in a snapshot, loops and links to nowhere are not") {
  TakenApp app;
  app.temp.write("shared/tools/__init__.py", "t = 1\n");
  app.temp.link("../shared/tools", "app/tools");
  app.temp.link("..", "app/blog/again");
  app.temp.link("/nowhere.py", "app/gone.py");
  const SnapshotPtr snapshot = app.take();
  CHECK(app.names(snapshot) ==
        Names{"app/app.py", "app/blog/__init__.py", "app/blog/views.py", "app/tools/__init__.py"});
  REQUIRE(snapshot->notes.size() == 1);
  CHECK(snapshot->notes[0].find("blog/again is a loop") != std::string::npos);
}

TEST_CASE("further roots are resolved, and those of packages or inside the tree are left out") {
  TakenApp app;
  app.temp.write("lib/helper.py", "");
  app.temp.write("venv/site-packages/flask.py", "");
  app.temp.link("lib", "lib-link");
  app.spec.roots = {app.temp.path("lib-link"), app.temp.path("app/blog"), app.temp.path("venv/site-packages"),
                    app.temp.path("missing")};
  const SnapshotPtr snapshot = app.take();
  CHECK(snapshot->roots == Names{app.temp.path("app"), app.temp.path("lib")});
  CHECK(snapshot->find(app.temp.path("lib/helper.py")) != nullptr);
  CHECK(snapshot->files.size() == 4);
}

TEST_CASE("names that are not UTF-8 and names with newlines survive the store") {
  TakenApp app;
  app.temp.write("app/caf\xe9.py", "c = 1\n");
  app.temp.write("app/a\nb\\n.py", "d = 1\n");
  const SnapshotPtr snapshot = app.take();
  const auto loaded = app.store.load(snapshot->id);
  REQUIRE(loaded);
  REQUIRE((*loaded)->files.size() == 5);
  CHECK((*loaded)->find(app.temp.path("app/caf\xe9.py")) != nullptr);
  CHECK((*loaded)->find(app.temp.path("app/a\nb\\n.py")) != nullptr);
}

TEST_CASE("more files than allowed is an error that names where they are") {
  TakenApp app;
  for (int i = 0; i < 10; ++i) app.temp.write("app/data/f" + std::to_string(i) + ".py", "");
  app.spec.limits.files = 8;
  const auto taken = take_snapshot(app.spec, app.store);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == ErrorCode::too_large);
  CHECK(taken.error().message.find("13 source files, more than 8") != std::string::npos);
  CHECK(taken.error().message.find(app.temp.path("app/data") + " (10 files)") != std::string::npos);
}

TEST_CASE("more bytes than allowed is an error that names the largest files") {
  TakenApp app;
  app.temp.write("app/table.py", std::string(5000, '#'));
  app.spec.limits.bytes = 4000;
  const auto taken = take_snapshot(app.spec, app.store);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == ErrorCode::too_large);
  CHECK(taken.error().message.find("table.py (5000 bytes)") != std::string::npos);
}

TEST_CASE("more entries than allowed end the walk with an error") {
  TakenApp app;
  for (int i = 0; i < 30; ++i) app.temp.write("app/uploads/f" + std::to_string(i), "");
  app.spec.limits.entries = 20;
  const auto taken = take_snapshot(app.spec, app.store);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == ErrorCode::too_large);
}

TEST_CASE("a missing tree and a missing entry file are errors that name them") {
  TakenApp app;
  app.spec.entry_file = app.temp.path("app/wsgi.py");
  auto taken = take_snapshot(app.spec, app.store);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().message.find("wsgi.py") != std::string::npos);
  app.spec.tree = app.temp.path("none");
  taken = take_snapshot(app.spec, app.store);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().message.find("/none") != std::string::npos);
}

TEST_CASE("a FIFO with the name of a source does not hold a snapshot up") {
  TakenApp app;
  REQUIRE(::mkfifo(app.temp.path("app/pipe.py").c_str(), 0600) == 0);
  CHECK(app.take()->files.size() == 3);
}

TEST_CASE("data files count with their hash but are no sources") {
  TakenApp app;
  app.temp.write("app/templates/a.html", "<p>");
  app.temp.write("app/templates/.a.html.swp", "vim");
  app.spec.data = {app.temp.path("app/templates"), app.temp.path("app/settings.toml"),
                   app.temp.path("app/app.py")};
  const SnapshotPtr before = app.take();
  CHECK(before->source_count == 3);
  CHECK(app.names(before) == Names{"app/app.py", "app/blog/__init__.py", "app/blog/views.py",
                                   "app/settings.toml", "app/templates/a.html"});
  CHECK_FALSE(differs(diff(*before, *app.take())));
  app.temp.write("app/templates/a.html", "<b>");
  app.temp.write("app/settings.toml", "a = 1");
  const SnapshotPtr after = app.take();
  CHECK(after->id == before->id);
  const SnapshotDiff difference = diff(*before, *after);
  CHECK(difference.changed == Names{app.temp.path("app/templates/a.html")});
  CHECK(difference.added == Names{app.temp.path("app/settings.toml")});
}

TEST_CASE("only the file and what it imports beside itself is taken when the folder is not the app's") {
  TakenApp app;
  app.temp.write("app/app.py", "import os, helper as h\ndef f():\n    from blog.views import x\n");
  app.temp.write("app/helper.py",
                 "try: import deep\nexcept ImportError: pass\nimportlib.import_module('late')\n");
  app.temp.write("app/deep.py", "");
  app.temp.write("app/late.py", "");
  app.temp.write("app/other.py", "");
  app.temp.write("app/Documents/x.py", "");
  app.spec.entry_file = app.temp.path("app/app.py");
  app.spec.reach = Reach::files;
  CHECK(app.names(app.take()) == Names{"app/app.py", "app/blog/__init__.py", "app/blog/views.py",
                                       "app/deep.py", "app/helper.py", "app/late.py"});
}

TEST_CASE("the folder for temporary files is not taken whole") {
  CHECK(reason_for_files_only("/tmp") == "it is the folder for temporary files");
  CHECK(reason_for_files_only("//") == "it is the root folder");
  TakenApp app;
  CHECK(reason_for_files_only(app.spec.tree).empty());
}

TEST_CASE("a snapshot knows the commit of git, loose, packed and in a worktree") {
  TakenApp app;
  const std::string loose(40, 'a');
  const std::string packed(40, 'b');
  app.temp.write("app/.git/HEAD", "ref: refs/heads/main\n");
  CHECK(app.take()->commit.empty());
  app.temp.write("app/.git/packed-refs", "# pack-refs with: peeled\n" + packed + " refs/heads/main\n");
  CHECK(app.take()->commit == packed);
  app.temp.write("app/.git/refs/heads/main", loose + "\n");
  CHECK(app.take()->commit == loose);
  app.temp.write("tree/sub/app.py", "");
  app.temp.write("tree/.git", "gitdir: " + app.temp.path("app/.git/worktrees/tree") + "\n");
  app.temp.write("app/.git/worktrees/tree/HEAD", "ref: refs/heads/main\n");
  app.temp.write("app/.git/worktrees/tree/commondir", "../..\n");
  app.spec.tree = app.temp.path("tree/sub");
  CHECK(app.take()->commit == loose);
}

TEST_CASE("an entry that may be a module is a file where there is one, and never a folder") {
  TakenApp app;
  app.spec.entry_file = app.temp.path("app/proj.wsgi");
  CHECK_FALSE(take_snapshot(app.spec, app.store));
  app.spec.entry_may_be_module = true;
  CHECK(app.take()->source_count == 3);
  app.temp.write("app/proj.wsgi", "application = 1\n");
  CHECK(app.take()->find(app.temp.path("app/proj.wsgi")) != nullptr);
  app.spec.entry_file = app.temp.path("app/blog");
  CHECK(app.take()->source_count == 3);
}

TEST_CASE("sources that were imported from outside the tree are in a snapshot, one that is gone as such") {
  TakenApp app;
  app.temp.write("common/tools.py", "t = 1\n");
  app.temp.write("common/other.py", "");
  app.spec.outside = {app.temp.path("common/tools.py"), app.temp.path("common/gone.py")};
  const SnapshotPtr snapshot = app.take();
  CHECK(app.names(snapshot) == Names{"app/app.py", "app/blog/__init__.py", "app/blog/views.py",
                                     "common/gone.py", "common/tools.py"});
  CHECK(snapshot->find(app.temp.path("common/tools.py"))->kind == SnapshotKind::source);
  CHECK(snapshot->find(app.temp.path("common/gone.py"))->hash.is_nothing());
  CHECK(app.store.load(snapshot->id));
  app.temp.write("common/tools.py", "t = 2\n");
  const SnapshotDiff difference = diff(*snapshot, *app.take());
  CHECK(difference.changed == Names{app.temp.path("common/tools.py")});
  CHECK(summary(difference, *snapshot) == app.temp.path("common/tools.py"));
}
