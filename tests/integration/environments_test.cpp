// Which Python and which environment an app runs in: virtual environments of every make, and variables.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

using namespace moult::testing;
namespace fs = std::filesystem;

namespace {

constexpr const char* kPrefix =
    "import sys\n"
    "try:\n    from tool import VALUE\nexcept ImportError:\n    VALUE = 'no tool'\n"
    "def application(environ, start):\n"
    "    start('200 OK', [])\n"
    "    return [f'{sys.prefix} {VALUE}'.encode()]\n";

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string version() {
  return std::to_string(python_version().first) + "." + std::to_string(python_version().second);
}

// A daemon, and virtual environments of the Python under test that hold a module `tool`.
struct Bench {
  DaemonProcess daemon;

  AppTree venv(const fs::path& folder) const {
    const Finished made =
        run({{test_python(), "-m", "venv", "--without-pip", folder.string()},
             daemon.folder().path().empty() ? std::map<std::string, std::string>{}
                                            : std::map<std::string, std::string>{{"PATH", "/usr/bin:/bin"}},
             daemon.folder().path().string(),
             {},
             {}},
            daemon.folder().path().string());
    REQUIRE(made.status == 0);
    AppTree tree(folder);
    tree.write("lib/python" + version() + "/site-packages/tool.py", "VALUE = 'has tool'\n");
    return tree;
  }
  AppTree code(const std::string& name = "code") const {
    AppTree tree(daemon.folder().path() / name);
    tree.write("app.py", kPrefix);
    return tree;
  }
  fs::path at(const std::string& name) const { return daemon.folder().path() / name; }
  void run_app(const AppTree& tree, std::vector<std::string> options = {}) {
    std::vector<std::string> all{"run", tree.path().string(), "--listen", "127.0.0.1:0"};
    all.insert(all.end(), options.begin(), options.end());
    daemon.start_listening(all);
  }
};

}  // namespace

TEST_CASE("moultd run serves in the environment that is named, activated or in the tree, and says which") {
  Bench bench;
  const AppTree code = bench.code();
  const std::string named = bench.venv(bench.at("named")).path();
  const std::string active = bench.venv(bench.at("active")).path();
  const auto check = [&](const std::string& venv, std::string_view why, std::vector<std::string> options) {
    CAPTURE(why);
    bench.run_app(code, std::move(options));
    CHECK(bench.daemon.wait_for_body("/", venv + " has tool"));
    CHECK(bench.daemon.logs("it runs in: virtual environment " + venv + " (" + std::string(why)));
    CHECK(contains(bench.daemon.ctl({"status"}).output + bench.daemon.ctl({"status", "code"}).output,
                   "virtual environment " + venv));
    CHECK(bench.daemon.stop() == 0);
  };
  check(named, "`venv`", {"--venv", named});
  check(named, "`python`", {"--python", named + "/bin/python"});
  check(named, "`python`", {"--python", named + "/bin/python", "--isolation", "process"});
  const AppTree inside = bench.venv(code / ".venv");
  check(inside.path(), "found as .venv", {});
  bench.daemon.environment()["VIRTUAL_ENV"] = active;
  check(active, "activated", {});
  check(named, "`venv`", {"--venv", named});
}

TEST_CASE("a configured app takes the environment of its python and of its tree, not the daemon's") {
  Bench bench;
  const std::string named = bench.venv(bench.at("named")).path();
  bench.daemon.environment()["VIRTUAL_ENV"] = bench.venv(bench.at("active")).path();
  const AppTree by_python =
      bench.daemon.add_app("a", "route = \"/a\"\npython = \"" + named + "/bin/python\"\n");
  const AppTree by_tree = bench.daemon.add_app("b", "route = \"/b\"\n# python =\n");
  const AppTree plain = bench.daemon.add_app("c", "route = \"/c\"\n");
  for (const AppTree& tree : {by_python, by_tree, plain}) tree.write("app.py", kPrefix);
  const AppTree inside = bench.venv(by_tree / "venv");
  bench.daemon.start();
  CHECK(bench.daemon.get("/a").body == named + " has tool");
  CHECK(bench.daemon.get("/b").body == inside.path().string() + " has tool");
  CHECK(contains(bench.daemon.get("/c").body, " no tool"));
  // It is no part of the tree: what is installed there makes no snapshot larger.
  CHECK(bench.daemon.status("b").number("/generations/0/files") == 1);
}

TEST_CASE("a virtual environment that cannot work is told with the command that mends it") {
  Bench bench;
  const AppTree blog = bench.daemon.add_app("blog", "route = \"/blog\"\n# python =\n");
  bench.daemon.add_app("shop", "route = \"/shop\"\n").write("app.py", answers("shop"));
  blog.write("app.py", kPrefix);
  const fs::path venv = bench.venv(blog / ".venv").path();
  const fs::path lib = venv / "lib" / ("python" + version());
  fs::rename(lib, venv / "lib/python3.1");
  bench.daemon.start();
  CHECK(bench.daemon.get("/shop").body == "shop");
  CHECK(bench.daemon.get("/blog").status == 503);
  std::string page = bench.daemon.ctl({"status", "blog"}).output;
  CHECK(contains(page, "was made with Python 3.1, and its python is " + version() + " now"));
  CHECK(contains(page, "python3 -m venv --upgrade " + venv.string()));

  fs::rename(venv / "lib/python3.1", lib);
  CHECK(bench.daemon.ctl({"reload", "blog"}).status == 0);
  CHECK(bench.daemon.get("/blog").body == venv.string() + " has tool");

  const fs::path python = fs::read_symlink(venv / "bin/python");
  fs::remove(venv / "bin/python");
  fs::create_symlink("/nowhere/bin/python3", venv / "bin/python");
  CHECK(bench.daemon.ctl({"reload", "blog"}).status == 6);
  page = bench.daemon.ctl({"status", "blog"}).output;
  CHECK(contains(page, "leads to /nowhere/bin/python3, which was removed or moved"));
  CHECK(contains(page, "python3 -m venv --clear " + venv.string()));
  CHECK(bench.daemon.get("/blog").body == venv.string() + " has tool");  // the old one serves on
  fs::remove(venv / "bin/python");
  fs::create_symlink(python, venv / "bin/python");
  CHECK(bench.daemon.ctl({"reload", "blog"}).status == 0);
}

TEST_CASE("a conda environment is a python of its own") {
  Bench bench;
  const AppTree code = bench.code();
  const fs::path conda = bench.at("conda");
  const Finished where =
      run({{test_python(), "-c",
            "import os, sys; print(os.path.realpath(sys.executable), os.path.dirname(os.__file__))"},
           {},
           "/",
           {},
           {}},
          bench.daemon.folder().path().string());
  const std::size_t blank = where.output.find(' ');
  REQUIRE(blank != std::string::npos);
  fs::create_directories(conda / "conda-meta");
  fs::create_directories(conda / "bin");
  fs::create_directories(conda / "lib");
  fs::copy_file(where.output.substr(0, blank), conda / "bin" / ("python" + version()));
  fs::create_symlink("python" + version(), conda / "bin/python");
  std::string library = where.output.substr(blank + 1);
  library.erase(library.find_last_not_of('\n') + 1);
  fs::create_directory_symlink(library, conda / "lib" / ("python" + version()));
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{"--python", (conda / "bin/python").string()}, {"--venv", conda.string()}}) {
    bench.run_app(code, options);
    CHECK(bench.daemon.wait_for_body("/", conda.string() + " no tool"));
    CHECK(bench.daemon.logs("it runs in: conda environment " + conda.string()));
    CHECK(bench.daemon.stop() == 0);
  }
}

TEST_CASE("pyenv's shim runs the version that the tree asks for, wherever the daemon was started") {
  Bench bench;
  const AppTree code = bench.code();
  const AppTree pyenv(bench.at("pyenv"));
  pyenv.write("shims/python3", "#!/bin/sh\nexit 99\n");
  pyenv.write("version", "system\n");
  fs::permissions(pyenv / "shims/python3", fs::perms::owner_all);
  const std::string venv = bench.venv(pyenv / "versions/web").path();
  code.write(".python-version", "web\n");
  bench.daemon.environment()["PATH"] = (pyenv / "shims").string() + ":/usr/bin:/bin";
  bench.run_app(code);
  CHECK(bench.daemon.wait_for_body("/", venv + " has tool"));
}

TEST_CASE("PYTHONPATH is taken as python3 takes it and named, and .env is named and not read") {
  Bench bench;
  const AppTree code(bench.at("code"));
  code.write("app.py",
             "import extra, os\ndef application(environ, start):\n    start('200 OK', [])\n"
             "    return [f\"{extra.VALUE} {os.environ.get('KEY')}\".encode()]\n");
  code.write(".env", "KEY=value\n");
  AppTree(bench.at("lib")).write("extra.py", "VALUE = 'extra'\n");
  bench.daemon.environment()["PYTHONPATH"] = "lib";  // from the folder that moultd is started in
  bench.run_app(code, {"--python", test_python()});
  CHECK(bench.daemon.wait_for_body("/", "extra None"));
  const std::string page = bench.daemon.ctl({"status", "code"}).output;
  CHECK(contains(page, "PYTHONPATH " + bench.at("lib").string()));
  CHECK(contains(page, (code / ".env").string() + " is not read"));
  CHECK(bench.daemon.stop() == 0);
  bench.run_app(code, {"--python", test_python(), "--env-file", (code / ".env").string()});
  CHECK(bench.daemon.wait_for_body("/", "extra value"));
  CHECK_FALSE(contains(bench.daemon.ctl({"status", "code"}).output, "is not read"));
}

TEST_CASE("a change of the env file is a change of the app, and a mistake in it is rejected with its line") {
  DaemonProcess daemon;
  const AppTree blog = daemon.add_app(
      "blog", "env_file = \"" + (daemon.folder() / "blog.env") + "\"\nenv = { B = \"of env\" }\n");
  const AppTree outside(daemon.folder().path());
  outside.write("blog.env", "A=one\nB=of the file\n");
  blog.write("app.py",
             "import os\ndef application(environ, start):\n    start('200 OK', [])\n"
             "    return [f\"{os.environ['A']} {os.environ['B']}\".encode()]\n");
  daemon.start();
  CHECK(daemon.get("/").body == "one of env");
  outside.write("blog.env", "A=two\n");
  CHECK(daemon.wait_for_body("/", "two of env"));
  outside.write("blog.env", "# \nA\n");
  CHECK(daemon.wait_for_state("blog", "degraded"));
  CHECK(daemon.status("blog").text("/rejected/file") == daemon.folder() / "blog.env");
  CHECK(daemon.status("blog").number("/rejected/line") == 2);
  CHECK(daemon.get("/").body == "two of env");
}
