// The twenty-four ways that reloading code in place goes wrong, the second third: how often code is
// loaded, names that stay, data in use, sys.path.

#include "tests/integration/reload_problems.h"

#include <algorithm>
#include <vector>

using namespace moult::testing;

namespace {

// Counts how often a file is run in one interpreter.
constexpr const char* kCounts = "import sys\nsys.loads = getattr(sys, 'loads', 0) + 1\n";

// Two apps side by side in one host, each with a module "part" of its own in a folder of its own.
struct Pair {
  DaemonProcess daemon;
  explicit Pair(const std::string& app_py) {
    daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhosts = 1\n");
    for (const std::string name : {"blog", "shop"}) {
      const AppTree tree = daemon.tree(name);
      daemon.write_app_config(
          name, tree.path(),
          "routes = \"/" + name + "\"\npath = " + json_text((tree / "own").string()) + "\n");
      tree.write("app.py", app_py);
      save(name, "one");
    }
    daemon.start();
    // 3.12 has a process for each app.
    if (python_version() != std::pair(3, 12)) CHECK(host_of(daemon, "blog") == host_of(daemon, "shop"));
  }
  void save(const std::string& app, const std::string& version) const {
    daemon.tree(app).write("own/part.py", "WHERE = '" + app + " " + version + "'\n");
  }
};

}  // namespace

TEST_CASE("reload_problem_09: the entry is loaded once, also when other modules import it") {
  const Sources files{{"app.py", serves(std::string(kCounts) + "import part\n"
                                                               "def answer(path): return sys.loads\n")},
                      {"part.py", "import app\n"}};
  // Python runs the file, and then imports it.
  CHECK(plain_python(files, {}, "runpy.run_path('tree/app.py'); print(sys.loads)\n") == "2\n");

  const Blog blog(files);
  CHECK(blog.body() == "1");
  blog.save({{"part.py", "import importlib, app\nassert importlib.import_module('app') is app\n"}});
  CHECK(blog.daemon.wait_for_generation("blog", 2));
  CHECK(blog.body() == "1");
}

TEST_CASE("reload_problem_09: an entry inside of a package is loaded once, as a part of that package") {
  const Blog blog(
      {{"web/__init__.py", ""},
       {"web/part.py", "import web.wsgi\nfrom . import wsgi\n"},
       {"web/wsgi.py", serves(std::string(kCounts) + "from . import part\n"
                                                     "def answer(path): return sys.loads, __name__\n")}},
      "entry = \"web/wsgi.py\"");
  CHECK(blog.body() == "(1, 'web.wsgi')");
  CHECK(blog.daemon.wait_for_state("blog", "running"));
}

TEST_CASE("reload_problem_10: a name that was taken with `from` is of the new generation") {
  const Sources old_files{{"part.py", "VERSION = 'one'\ndef tell(): return VERSION\n"},
                          {"middle.py", "from part import VERSION, tell as retold\n"},
                          {"app.py", serves("from part import *\n"
                                            "from middle import VERSION as again, retold\n"
                                            "def answer(path): return VERSION, again, retold()\n")}};
  const Sources new_files{{"part.py", "VERSION = 'two'\ndef tell(): return VERSION\n"}};
  CHECK(plain_python(old_files, new_files, R"(
import app, part
edit()
importlib.reload(part)
print(app.answer('/'))
)") == "('one', 'one', 'two')\n");  // and a function that is new in part.py would be so nowhere

  const Blog blog(old_files);
  CHECK(blog.body() == "('one', 'one', 'one')");
  blog.save(new_files);
  CHECK(blog.answers_soon("('two', 'two', 'two')"));
}

TEST_CASE("reload_problem_11: cyclic packages and namespace packages are taken up like any others") {
  const std::string app =
      serves("import pkg.a, space.leaf\ndef answer(path): return pkg.a.get(), space.leaf.N\n");
  const Sources old_files{{"app.py", app},
                          {"pkg/__init__.py", ""},
                          {"pkg/a.py", "ONE = 1\nfrom pkg.b import get\n"},
                          {"pkg/b.py", "from pkg.a import ONE\ndef get(): return ONE\n"},
                          {"space/leaf.py", "N = 1\n"}};
  const Sources new_files{{"pkg/a.py", "TWO = 2\nfrom pkg.b import get, more\n"},
                          {"pkg/b.py", "from pkg.a import TWO\ndef get(): return TWO\ndef more(): pass\n"},
                          {"space/leaf.py", "N = 2\n"}};
  // Whichever is reloaded first looks for what the other one has in its new version.
  CHECK(plain_python(old_files, new_files, R"(
import pkg.a
edit()
for module in (pkg.a, pkg.b):
    try: importlib.reload(module)
    except ImportError as error: print(error.name)
    else: print('reloaded')
)") == "pkg.b\nreloaded\n");

  const Blog blog(old_files);
  CHECK(blog.body() == "(1, 1)");
  blog.save(new_files);
  CHECK(blog.answers_soon("(2, 2)"));
}

TEST_CASE("reload_problem_12: a call in flight keeps its globals and its locks until it ends") {
  const auto files = [](const std::string& version, const std::string& wait) {
    return Sources{{"app.py", serves("import os, threading, time\n"
                                     "LOCK = threading.Lock()\n"
                                     "VERSION = '" +
                                     version +
                                     "'\n"
                                     "def answer(path):\n"
                                     "    path == '/slow' and LOCK.acquire()\n"
                                     "    first = VERSION\n"
                                     "    path == '/slow' and " +
                                     wait +
                                     "\n"
                                     "    result = first, VERSION, LOCK.locked()\n"
                                     "    if path == '/slow' and LOCK.locked(): LOCK.release()\n"
                                     "    return result\n")}};
  };
  CHECK(plain_python(files("old", "sys.modules['__main__'].between()"), files("new", "0"), R"(
import app
app.sys = sys
def between():
    edit()
    importlib.reload(app)
print(app.answer('/slow'))
)") == "('old', 'new', False)\n");

  DaemonProcess daemon;
  const Gate gate(daemon, "slow");
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", files("old", gate.expression()).at("app.py"));
  daemon.start();
  Waiting slow(daemon, gate);
  app.write("app.py", files("new", "0").at("app.py"));
  CHECK(daemon.wait_for_body("/", "('new', 'new', False)"));
  gate.open();
  CHECK(slow.body() == "('old', 'old', True)");
}

TEST_CASE("reload_problem_13: what is gone from the source is gone") {
  const std::string app =
      serves("import part\ndef answer(path): return hasattr(part, 'gone'), part.VERSION\n");
  const Sources old_files{{"app.py", app}, {"part.py", "VERSION = 1\ndef gone(): pass\n"}, {"file.py", ""}};
  const Sources new_files{{"part.py", "VERSION = 2\n"}};
  CHECK(plain_python(old_files, new_files, R"(
import app, part
edit()
importlib.reload(part)
print(app.answer('/'))
)") == "(True, 2)\n");

  const Blog blog(old_files);
  CHECK(blog.body() == "(True, 1)");
  blog.save(new_files);
  CHECK(blog.answers_soon("(False, 2)"));
  // A whole file: nothing of it is left to import.
  blog.app.remove("file.py");
  blog.save({{"part.py", "try: import file\nexcept ImportError: VERSION = 3\n"}});
  CHECK(blog.answers_soon("(False, 3)"));
}

TEST_CASE("reload_problem_14: modules of one name in two apps, and in two generations, are apart") {
  const std::string app_py = serves("import part\ndef answer(path): return part.WHERE\n");
  CHECK(plain_python({{"blog/part.py", "WHERE = 'blog'\n"}, {"shop/part.py", "WHERE = 'shop'\n"}}, {}, R"(
for app in ('blog', 'shop'):
    sys.path.insert(0, os.path.join('tree', app))
    import part
    print(part.WHERE)
)") == "blog\nblog\n");

  const Pair apps(app_py);
  CHECK(apps.daemon.get("/blog").body == "blog one");
  CHECK(apps.daemon.get("/shop").body == "shop one");
  apps.save("shop", "two");
  CHECK(apps.daemon.wait_for_body("/shop", "shop two"));
  CHECK(apps.daemon.get("/blog").body == "blog one");
  CHECK(apps.daemon.generation("blog") == 1);
  // The older generation, which stands by, has kept its own.
  CHECK(apps.daemon.call("rollback", R"({"app":"shop"})").number("/generation") == 1);
  CHECK(apps.daemon.get("/shop").body == "shop one");
}

TEST_CASE("reload_problem_15: sys.path is there before the first import, and each interpreter has its own") {
  // Each request puts its folder in front; a second one comes in between.
  CHECK(plain_python({{"blog/part.py", "WHERE = 'blog'\n"}, {"shop/part.py", "WHERE = 'shop'\n"}}, {}, R"(
def request(app, between):
    sys.path.insert(0, os.path.join('tree', app))
    between()
    import part
    return part.WHERE
print(request('blog', lambda: sys.path.insert(0, 'tree/shop')))
)") == "shop\n");

  // What an app does to its own path at a late moment is of no concern to others either.
  const Pair apps(
      serves("import sys\n"
             "first = list(sys.path)\n"
             "def answer(path):\n"
             "    import part\n"
             "    same = sys.path == first and sys.path[0].endswith('/own')\n"
             "    if path == '/spoil': sys.path[:] = ['/nowhere']\n"
             "    return part.WHERE, same\n"));
  CHECK(apps.daemon.get("/blog/spoil").body == "('blog one', True)");
  CHECK(apps.daemon.get("/shop").body == "('shop one', True)");
  apps.save("blog", "two");
  CHECK(apps.daemon.wait_for_body("/blog", "('blog two', True)"));
  apps.save("shop", "two");
  CHECK(apps.daemon.wait_for_body("/shop", "('shop two', True)"));
}

TEST_CASE("reload_problem_16: sys.path is after ten thousand requests and three generations what it was") {
  const Sources files{{"app.py", serves("import os, sys\n"
                                        "sys.path.insert(0, os.path.dirname(__file__) + '/lib')\n"
                                        "def answer(path):\n"
                                        "    import part\n"
                                        "    return sys.path\n")},
                      {"part.py", "N = 1\n"},
                      {"lib/more.py", ""}};
  CHECK(plain_python(files, {}, R"(
import app
before = len(sys.path)
for _ in range(3): importlib.reload(app)
print(len(sys.path) - before)
)") == "3\n");

  const Blog blog(files);
  const std::string first = blog.body();
  CHECK(first.find("/lib'") != std::string::npos);
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += get_request("/");
  HttpConnection connection(blog.daemon.address());
  int different = 0;
  for (int i = 0; i < 100; ++i) {
    connection.send(requests);
    for (int j = 0; j < 100; ++j) different += connection.read_response().body != first ? 1 : 0;
  }
  CHECK(different == 0);
  for (int i = 0; i < 2; ++i) CHECK(blog.call("reload").ok());
  CHECK(blog.generation() == 3);
  CHECK(blog.body() == first);
}
