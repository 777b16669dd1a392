// What the importer, the snapshot and the watcher do together: code that is not simply a module below
// the tree, and trees that cannot be taken.

#include "tests/integration/gate.h"
#include "tests/integration/reload_problems.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

using namespace moult::testing;
namespace fs = std::filesystem;

namespace {

bool run_python(const DaemonProcess& daemon, const std::vector<std::string>& arguments) {
  std::vector<std::string> command{test_python()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const Finished done =
      run({command, {{"PATH", "/usr/bin:/bin"}}, {}, {}, {}}, daemon.folder().path().string());
  return done.status == 0;
}

// lib.zip of the tree, with a module that has this value; renamed into its place.
void write_zip(const DaemonProcess& daemon, const AppTree& app, const std::string& value) {
  const std::string beside = daemon.folder() / "lib.zip";
  REQUIRE(run_python(daemon, {"-c",
                              "import sys, zipfile\n"
                              "with zipfile.ZipFile(sys.argv[1], 'w') as archive:\n"
                              "    archive.writestr('zipped.py', f'VALUE = {sys.argv[2]!r}\\n')\n",
                              beside, value}));
  fs::rename(beside, app / "lib.zip");
}

// In the status of the app.
bool is_said(const DaemonProcess& daemon, std::string_view part) {
  return eventually([&] { return daemon.ctl({"status", "blog"}).output.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("a zip file below the tree that the app imports from is part of the app") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", serves("import os, sys\n"
                             "sys.path.insert(0, os.path.join(os.path.dirname(__file__), 'lib.zip'))\n"
                             "import zipped\n"
                             "def answer(path):\n"
                             "    return zipped.VALUE\n"));
  write_zip(daemon, app, "first");
  daemon.start();
  CHECK(daemon.get("/").body == "first");
  write_zip(daemon, app, "second");
  CHECK(daemon.wait_for_body("/", "second"));
}

TEST_CASE("an editable install by a finder is taken from its snapshot, and its changes count") {
  DaemonProcess daemon;
  const std::string venv = daemon.folder() / "venv";
  if (!run_python(daemon, {"-m", "venv", "--without-pip", venv})) {
    skip("this Python makes no virtual environments");
    return;
  }
  const auto [major, minor] = python_version();
  const std::string packages =
      "lib/python" + std::to_string(major) + "." + std::to_string(minor) + "/site-packages/";
  const AppTree project(daemon.folder() / "project");
  project.write("pkg/__init__.py", "VALUE = 'one'\n");
  project.write("pkg/late.py", "from . import VALUE\n");
  const AppTree installed(venv);
  installed.write(packages + "__editable__.pkg.pth", "import __editable___pkg_finder\n");
  installed.write(packages + "__editable___pkg_finder.py",
                  "import importlib.util, sys\n"
                  "class Finder:\n"
                  "    @staticmethod\n"
                  "    def find_spec(name, path=None, target=None):\n"
                  "        if name == 'pkg':\n"
                  "            return importlib.util.spec_from_file_location(name, " +
                      json_text((project / "pkg/__init__.py").string()) +
                      ")\n"
                      "sys.meta_path.append(Finder)\n");
  installed.write(packages + "pkg-1.0.dist-info/direct_url.json",
                  R"({"url": "file://)" + project.path().string() + R"(", "dir_info": {"editable": true}})");
  const Gate slow(daemon, "slow");
  daemon.add_app("blog", "venv = " + json_text(venv))
      .write("app.py", serves("import os, pkg, time\n"
                              "def answer(path):\n"
                              "    if path == '/slow':\n"
                              "        " +
                              slow.expression() +
                              "\n"
                              "    from pkg import late\n"
                              "    return f'{pkg.VALUE} {late.VALUE}'\n"));
  daemon.start();
  Waiting waiting(daemon, slow);
  project.write("pkg/__init__.py", "VALUE = 'two'\n");
  CHECK(daemon.wait_for_body("/", "two two"));
  slow.open();
  CHECK(waiting.body() == "one one");
  CHECK_FALSE(fs::exists(project / "pkg/__pycache__"));
}

TEST_CASE("a source that is too large is refused by its name, and the old code serves on") {
  Blog blog({{"app.py", serves("def answer(path):\n    return 'old'\n")}});
  blog.app.write("table.py", "");
  fs::resize_file(blog.app / "table.py", 33u << 20);  // takes no room: all holes
  CHECK(is_said(blog.daemon, "table.py (34603008 bytes)"));
  CHECK(blog.body() == "old");
  blog.app.remove("table.py");
  blog.save({{"app.py", serves("def answer(path):\n    return 'new'\n")}});
  CHECK(blog.answers_soon("new"));
}

TEST_CASE("a tree whose real path is not UTF-8 is refused with a message that says so") {
  DaemonProcess daemon;
  const fs::path real = daemon.folder() / "caf\xe9";
  AppTree(real).write("app.py", serves("def answer(path):\n    return 'never'\n"));
  fs::create_symlink(real, daemon.folder() / "current");
  daemon.write_app_config("blog", daemon.folder() / "current", "");
  daemon.start();
  CHECK(is_said(daemon, "is not UTF-8"));
}

TEST_CASE("sources with any name, encoding or line ending do not keep an app from starting") {
  Blog blog({{"app.py", serves("import latin, bom\ndef answer(path):\n    return latin.VALUE + bom.VALUE\n")},
             {"latin.py", "# coding: latin-1\nVALUE = '\xe9'\n"},
             {"bom.py", "\xef\xbb\xbfVALUE = '\xc3\xa9'\n"},
             {"caf\xe9.py", "1 / 0\n"},
             {"a\nb.py", "1 / 0\n"}});
  CHECK(blog.body() == "\xc3\xa9\xc3\xa9");
  blog.save({{"caf\xe9.py", "2 / 0\n"}, {"latin.py", "# coding: latin-1\nVALUE = '\xe8'\n"}});
  CHECK(blog.answers_soon("\xc3\xa8\xc3\xa9"));
}
