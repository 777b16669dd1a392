// Changes of many files and of whole folders.

#include "tests/integration/mount_space.h"
#include "tests/integration/noticing.h"
#include "tests/support/raw_file.h"
#include "tests/support/skip.h"

#include <sys/mount.h>
#include <unistd.h>

using namespace moult::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr int kModules = 500;

// An app of 500 modules that answers with their versions: "v2" when all have that one, else a list.
// It imports all of them when it is loaded: one that is missing is a rejected generation.
void write_modules(const AppTree& app, const std::string& version) {
  fs::create_directories(app / "parts");
  for (int i = 0; i < kModules; ++i)
    put(app / ("parts/m" + std::to_string(i) + ".py"), "VERSION = '" + version + "'\n");
}

std::string answers_with_all_versions() {
  return "import importlib\n"
         "versions = sorted({importlib.import_module(f'parts.m{i}').VERSION for i in range(" +
         std::to_string(kModules) +
         ")})\n"
         "def application(environ, start_response):\n"
         "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
         "    return [' '.join(versions).encode()]\n";
}

// Everything that is served until `last` is.
std::set<std::string> bodies_until(const Noticed& noticed, const std::string& last) {
  std::set<std::string> seen;
  CHECK(eventually([&] {
    const std::string body = noticed.body();
    seen.insert(body);
    return body == last;
  }));
  return seen;
}

using Words = std::set<std::string>;

}  // namespace

TEST_CASE("git checkout, stash and pull of 500 files make one generation each, never of half of them") {
  if (!has_program("git")) {
    skip("no git");
    return;
  }
  Noticed blog;
  const auto git = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "git");
    run_in(blog, blog.app.path(), std::move(arguments));
  };
  write_modules(blog.app, "v1");
  blog.app.write("app.py", answers_with_all_versions());
  git({"init", "-q", "-b", "main"});
  git({"add", "."});
  git({"commit", "-q", "-m", "v1"});
  blog.start();
  REQUIRE(blog.body() == "v1");

  git({"branch", "old"});
  write_modules(blog.app, "v2");
  CHECK(bodies_until(blog, "v2") == Words{"v1", "v2"});
  git({"commit", "-q", "-a", "-m", "v2"});
  int generation = blog.generation();

  git({"checkout", "-q", "old"});
  CHECK(bodies_until(blog, "v1") == Words{"v1", "v2"});
  CHECK(blog.generation() == generation + 1);
  CHECK(blog.daemon.status("blog").text("/active/cause_detail").find("and 499 more") != std::string::npos);

  git({"merge", "-q", "main"});  // what `git pull` does with the tree
  CHECK(bodies_until(blog, "v2") == Words{"v1", "v2"});
  CHECK(blog.generation() == generation + 2);

  write_modules(blog.app, "v3");
  CHECK(bodies_until(blog, "v3") == Words{"v2", "v3"});
  generation = blog.generation();
  git({"stash", "-q"});
  CHECK(bodies_until(blog, "v2") == Words{"v2", "v3"});
  git({"stash", "pop", "-q"});
  CHECK(bodies_until(blog, "v3") == Words{"v2", "v3"});
  CHECK(blog.generation() == generation + 2);
  CHECK(blog.rejected() == 0);
}

TEST_CASE("why names the lock of git that a change waits for") {
  Noticed blog;
  blog.app.write(".git/HEAD", "ref: refs/heads/main\n");
  blog.start();
  blog.app.touch(".git/index.lock");
  blog.app.write("app.py", answers("two"));
  CHECK(blog.comes_to_why("waiting", "app.py", "the lock "));
  CHECK(blog.body() == "one");
  blog.app.remove(".git/index.lock");
  CHECK(blog.serves("two"));
  CHECK(blog.comes_to_why("switched", ""));
}

TEST_CASE("a tree that is removed, and made again as a new folder, is taken up again") {
  Noticed blog;
  blog.app.write("parts/__init__.py", "");
  blog.app.write("parts/deep.py", "VERSION = 'one'\n");
  blog.app.write("app.py", answers_with_late_import("parts.deep"));
  blog.start();
  for (const char* version : {"two", "three"}) {
    fs::remove_all(blog.app.path());
    CHECK(eventually(
        [&] { return blog.status().text("/watch_note").find("is not there") != std::string::npos; }));
    CHECK(blog.body() != version);  // the old code serves on
    fs::create_directories(blog.app / "parts");
    blog.app.write("parts/__init__.py", "");
    blog.app.write("parts/deep.py", std::string("VERSION = '") + version + "'\n");
    blog.app.write("app.py", answers_with_late_import("parts.deep"));
    CHECK(blog.serves(version));
  }
  // And its folders are watched as before.
  blog.app.write("parts/deep.py", "VERSION = 'four'\n");
  CHECK(blog.serves("four"));
}

TEST_CASE("folders that are made, filled, renamed, moved in and out and removed are followed") {
  Noticed blog;
  blog.app.write(
      "app.py",
      "import glob, os\n"
      "root = os.path.dirname(__file__)\n"
      "names = sorted(open(f).read().strip()[4:] for f in glob.glob(root + '/*/**/*.py', recursive=True))\n"
      "def application(environ, start_response):\n"
      "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
      "    return [' '.join(names).encode()]\n");
  blog.start();
  const fs::path tree = blog.app.path();
  const fs::path outside = tree.parent_path() / "outside";
  const auto write = [](const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    put(file, "N = " + text + "\n");
  };
  write(tree / "a/b/c/d.py", "1");
  CHECK(blog.serves("1"));
  fs::rename(tree / "a", tree / "z");
  write(tree / "z/b/c/d.py", "2");
  CHECK(blog.serves("2"));
  fs::rename(tree / "z/b", outside);
  CHECK(blog.serves(""));
  write(outside / "c/d.py", "3");  // not ours any more
  fs::rename(outside, tree / "y");
  CHECK(blog.serves("3"));
  write(tree / "y/c/e.py", "4");
  CHECK(blog.serves("3 4"));
  fs::create_directory_symlink(tree.parent_path() / "linked", tree / "link");
  write(tree.parent_path() / "linked/f.py", "5");
  put(tree / "y/c/e.py", "N = 6\n");
  CHECK(eventually([&] { return blog.body().find('6') != std::string::npos; }));
  fs::remove_all(tree / "y");
  CHECK(eventually([&] { return blog.body().find('6') == std::string::npos; }));
}

TEST_CASE("a release link that is turned by rename, forth and back, moves the app without a mixed answer") {
  Noticed blog;
  const fs::path base = blog.daemon.folder().path();
  for (const char* version : {"v1", "v2"}) {
    const AppTree release(base / "releases" / version);
    release.write("part.py", std::string("VERSION = '") + version + "'\n");
    release.write("app.py",
                  "import part\nfirst = part.VERSION\ndef application(environ, start_response):\n"
                  "    import os\n"
                  "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
                  "    return [f'{first} {os.path.basename(os.path.dirname(__file__))}'.encode()]\n");
  }
  fs::create_directory_symlink("releases/v1", base / "current");
  blog.daemon.write_app_config("blog", base / "current", "");
  blog.start();
  REQUIRE(blog.body() == "v1 v1");
  int generation = 1;
  for (const char* version : {"v2", "v1", "v2"}) {
    fs::create_directory_symlink(std::string("releases/") + version, base / "current.new");
    fs::rename(base / "current.new", base / "current");
    const std::string wanted = std::string(version) + " " + version;
    CHECK(bodies_until(blog, wanted) == Words{"v1 v1", "v2 v2"});
    CHECK(blog.generation() == ++generation);
  }
  // Changes in the release that is served count, in the other one not.
  AppTree(base / "releases/v1").write("part.py", "VERSION = 'v9'\n");
  AppTree(base / "releases/v2").write("part.py", "VERSION = 'v3'\n");
  CHECK(bodies_until(blog, "v3 v2") == Words{"v2 v2", "v3 v2"});
}

TEST_CASE("a tree behind a bind mount is watched, and a mount over it is noticed") {
  const MountSpace space;
  if (!space) return;
  Noticed blog;
  const fs::path base = blog.daemon.folder().path();
  const AppTree origin(base / "origin");
  const AppTree other(base / "other");
  origin.write("app.py", answers("origin"));
  other.write("app.py", answers("other"));
  const fs::path tree = blog.app.path();
  REQUIRE(::mount(origin.path().c_str(), tree.c_str(), nullptr, MS_BIND, nullptr) == 0);
  const Unmounts at_the_end{tree};
  blog.start();
  CHECK(blog.body() == "origin");
  origin.write("app.py", answers("two"));  // by its other name
  CHECK(blog.serves("two"));
  REQUIRE(::mount(other.path().c_str(), tree.c_str(), nullptr, MS_BIND, nullptr) == 0);
  CHECK(blog.serves("other"));
  REQUIRE(::umount2(tree.c_str(), MNT_DETACH) == 0);
  CHECK(blog.serves("two"));
  CHECK(blog.daemon.stop() == 0);
}

TEST_CASE("a tree on FUSE is polled, and a change by its other name is noticed") {
  const MountSpace space;
  if (!space) return;
  Noticed blog;
  const AppTree origin(blog.daemon.folder().path() / "origin");
  origin.write("app.py", answers("origin"));
  const fs::path tree = blog.app.path();
  if (!has_program("bindfs") || !fs::exists("/dev/fuse")) {
    skip("no bindfs, or no /dev/fuse");
    return;
  }
  fs::remove(tree / "app.py");
  run_in(blog, origin.path(), {"bindfs", "-o", "attr_timeout=0", origin.path().string(), tree.string()});
  const Unmounts at_the_end{tree};
  blog.start();
  CHECK(blog.body() == "origin");
  CHECK(blog.status().text("/watch") == "polling");
  CHECK(blog.status().text("/watch_note").starts_with("fuse"));
  origin.write("app.py", answers("two"));  // past FUSE: the kernel has no event of it
  CHECK(blog.serves("two"));
  blog.app.write("app.py", answers("three"));
  CHECK(blog.serves("three"));
  CHECK(blog.daemon.stop() == 0);
}
