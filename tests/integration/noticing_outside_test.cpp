// Files that are the app's and lie elsewhere, and files in its tree that are none of its code.

#include "tests/integration/noticing.h"
#include "tests/support/raw_file.h"
#include "tests/support/skip.h"

using namespace moult::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

// An app that gets VALUE of a module in a folder beside its tree.
struct WithCommon : Noticed {
  fs::path common = daemon.folder().path() / "common";

  explicit WithCommon(const std::string& import, std::string_view toml = "settle = \"20ms\"")
      : Noticed(toml) {
    fs::create_directories(common);
    write(1);
    app.write("app.py", "import sys, os, runpy, types, importlib.util\nCOMMON = " +
                            json_text(common.string()) + "\n" + import +
                            "\ndef application(environ, start_response):\n"
                            "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
                            "    return [f'{common.VALUE} {os.getpid()}'.encode()]\n");
  }
  // Of one size, and always of the same second: byte code that goes by these is stale.
  void write(int value) {
    put(common / "common.py", "VALUE = " + std::to_string(value) + "\n");
    set_time(common / "common.py", 1'700'000'000);
  }
  std::string value() const { return body().substr(0, body().find(' ')); }
  bool comes_to(const std::string& text) const {
    return eventually([&] { return value() == text; });
  }
};

// Counts its calls in a file, which it reads first.
std::string counts(const std::string& file, const std::string& write) {
  return "import os\nFILE = os.path.join(os.path.dirname(__file__), '" + file +
         "')\ndef application(environ, start_response):\n"
         "    with open(FILE) as file:\n        number = int(file.read()) + 1\n"
         "    " +
         write +
         "\n    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
         "    return [str(number).encode()]\n";
}

}  // namespace

TEST_CASE("a module from outside the tree is taken up again and again, however the app loads it") {
  const std::string by_path =
      "spec = importlib.util.spec_from_file_location('anything', COMMON + '/common.py')\n"
      "common = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(common)\n";
  for (const std::string& import :
       {std::string("sys.path.insert(0, COMMON)\nimport common\n"),
        std::string("here = os.path.dirname(__file__)\n"
                    "sys.path.insert(0, os.path.join(here, os.path.relpath(COMMON, here)))\nimport common\n"),
        by_path, std::string("common = types.SimpleNamespace(**runpy.run_path(COMMON + '/common.py'))\n")}) {
    CAPTURE(import);
    WithCommon blog(import);
    blog.start();
    REQUIRE(blog.comes_to("1"));
    for (const int value : {2, 3, 4}) {
      const int before = blog.generation();
      blog.write(value);
      CHECK(blog.comes_to(std::to_string(value)));
      CHECK(blog.generation() == before + 1);
      CHECK(blog.why("switched", "common.py"));
    }
    const Finished diff = blog.daemon.ctl({"diff", "blog", "3", "active"});
    CHECK(diff.output.find("VALUE = 4") != std::string::npos);
    CHECK(diff.output.find("common.py") != std::string::npos);
    // The same content again, and a neighbour that nobody imports, are no change.
    const int before = blog.generation();
    blog.write(4);
    CHECK(blog.comes_to_why("same content", "common.py"));
    put(blog.common / "other.py", "");
    CHECK(blog.generation() == before);
  }
}

TEST_CASE("a module from outside the tree is as it was after a roll-back") {
  WithCommon blog("sys.path.insert(0, COMMON)\nimport common\n", "settle = \"20ms\"\nkeep_previous = 0");
  blog.start();
  for (const int value : {2, 3}) {
    blog.write(value);
    REQUIRE(blog.comes_to(std::to_string(value)));
  }
  CHECK(blog.daemon.ctl({"rollback", "blog"}).status == 0);
  CHECK(blog.value() == "2");
  const int pinned = blog.generation();
  blog.write(3);  // what the disk held at the roll-back
  CHECK(blog.comes_to_why("same content", "", "the disk is as it was"));
  CHECK(blog.generation() == pinned);
  blog.write(4);
  CHECK(blog.comes_to("4"));
}

TEST_CASE("a module from outside the tree that goes is a change, and its return one too") {
  WithCommon blog("sys.path.insert(0, COMMON)\nimport common\n");
  blog.start();
  blog.write(2);
  REQUIRE(blog.comes_to("2"));
  fs::remove(blog.common / "common.py");
  fs::remove_all(blog.common / "__pycache__");
  CHECK(eventually([&] { return blog.rejected() == 1; }));
  CHECK(blog.value() == "2");
  blog.write(3);
  CHECK(blog.comes_to("3"));
}

TEST_CASE(
    "a changed extension module from outside the tree means a fresh host, also where data does not count") {
  WithCommon blog(
      "sys.path.insert(0, COMMON)\nimport common, xxlimited\n"
      "assert xxlimited.__file__.startswith(COMMON)\n",
      "settle = \"20ms\"\nwatch_templates = false");
  const std::string find =
      "import importlib.util as u, sys\nsys.stdout.write(u.find_spec('xxlimited').origin)";
  const Finished found = run({{test_python(), "-I", "-c", find}, {}, {}, {}, {}}, blog.common.string());
  if (found.status != 0) {
    skip("this Python has no xxlimited");
    return;
  }
  const fs::path module = blog.common / fs::path(found.output).filename();
  fs::copy_file(found.output, module);
  blog.start();
  const std::string first = blog.body();
  blog.app.write("other.py", "");
  REQUIRE(blog.daemon.wait_for_generation("blog", 2));
  const bool shares = blog.body() == first;  // its hosts, as all sub-interpreters do
  put(module.string() + ".new", read_file(module) + std::string(16, 'x'));
  fs::rename(module.string() + ".new", module);
  REQUIRE(blog.daemon.wait_for_generation("blog", 3));
  CHECK(blog.why("switched", "xxlimited"));
  CHECK((!shares || blog.body() != first));
}

TEST_CASE("a data file that the app writes itself makes no generation, whichever way it writes it") {
  for (const char* write :
       {"open(FILE, 'w').write(str(number))",
        "open(FILE + '.new', 'w').write(str(number)); os.replace(FILE + '.new', FILE)",
        "fd = os.open(FILE, os.O_RDWR | os.O_TRUNC); os.write(fd, str(number).encode()); os.close(fd)"}) {
    CAPTURE(write);
    Noticed blog("settle = \"20ms\"");
    blog.app.write("app.py", counts("count.txt", write));
    blog.app.write("count.txt", "0");
    blog.start();
    for (int i = 1; i <= 5; ++i) {
      CHECK(blog.body() == std::to_string(i));
      blog.rest();
      CHECK(blog.generation() == i + 1);  // of rest() alone
    }
    // By an editor: it is the app's own file all the same.
    CHECK(eventually([&] {
      blog.body();
      blog.app.write("count.txt", "70");
      return blog.why("ignored", "count.txt", "written by the app itself");
    }));
    blog.rest();
    CHECK(blog.generation() == 7);
  }
}

TEST_CASE("a data file that the app writes itself counts where watch names it") {
  Noticed blog;
  blog.daemon.write_app_config("blog", blog.app.path(),
                               "settle = \"20ms\"\nwatch = " + json_text((blog.app / "count.txt").string()));
  blog.app.write("app.py", counts("count.txt", "open(FILE, 'w').write(str(number))"));
  blog.app.write("count.txt", "0");
  blog.start();
  CHECK(blog.body() == "1");
  CHECK(blog.daemon.wait_for_generation("blog", 2));
}

TEST_CASE("a config file that is a symlink: a change of what it leads to is applied") {
  DaemonProcess daemon;
  const AppTree tree = daemon.add_app("blog");
  tree.write("app.py",
             "import os\ndef application(environ, start_response):\n"
             "    start_response('200 OK', [])\n    return [os.environ.get('WORD', 'none').encode()]\n");
  const fs::path file = fs::path(daemon.config_folder()) / "apps/blog.toml";
  const fs::path repository = daemon.folder().path() / "repository";
  fs::create_directories(repository);
  fs::rename(file, repository / "blog.toml");
  fs::create_symlink(repository / "blog.toml", file);
  const std::string text = read_file(repository / "blog.toml");
  daemon.start();
  CHECK(daemon.get("/").body == "none");
  put(repository / "blog.toml", text + "\nenv = { WORD = \"one\" }\n");
  CHECK(daemon.wait_for_body("/", "one"));
  put(repository / "next.toml", text + "\nenv = { WORD = \"two\" }\n");
  fs::rename(repository / "next.toml", repository / "blog.toml");
  CHECK(daemon.wait_for_body("/", "two"));
}
