// The twenty-four ways that reloading code in place goes wrong, the last third: settings, state, copies
// of one module, versions that are mixed.

#include "tests/integration/reload_problems.h"

using namespace moult::testing;

namespace {

std::string version(const std::string& version) { return "VERSION = '" + version + "'\n"; }

// Answers with the versions of two modules. The first is imported with the app, the second in the call,
// after an expression where the path is /slow.
std::string two_imports(const std::string& wait = "0") {
  return serves(
      "import first, os, sys, time\n"
      "def answer(path):\n"
      "    path == '/slow' and " +
      wait +
      "\n"
      "    import second\n"
      "    return first.VERSION + ' ' + second.VERSION\n");
}

std::size_t frozen_changes(const DaemonProcess& daemon) {
  const std::string events = daemon.call("events", R"({"app":"blog","filter":["change.ignored"]})").raw();
  std::size_t count = 0;
  for (std::size_t at = 0; (at = events.find("\"frozen\"", at)) != std::string::npos; ++at) ++count;
  return count;
}

}  // namespace

TEST_CASE("reload_problem_17: a module that the settings had loaded is not run again") {
  const Sources files{{"part.py",
                       "import sys\nsys.loads = getattr(sys, 'loads', 0) + 1\n"
                       "def total(): return sys.loads\n"},
                      {"app.py", serves("def answer(path):\n"
                                        "    import part\n"
                                        "    return part.total()\n")}};
  // What is loaded from outside in a way of its own is not where an import looks for it.
  CHECK(plain_python(files, {}, "runpy.run_module('part'); import part; print(part.total())\n") == "2\n");

  const Blog blog(files, "preload = \"part\"\nexports = \"part:total\"");
  CHECK(blog.call("exports").text("/exports/0/name") == "total");  // before the app has imported it
  CHECK(blog.body() == "1");
  CHECK(blog.daemon.call("call", R"({"app":"blog","function":"total"})").number("/result") == 1);
  blog.app.write("part.py", files.at("part.py") + "NAME = 'new'\n");  // nor by the next generation
  REQUIRE(eventually([&] { return blog.generation() == 2; }));
  CHECK(blog.body() == "1");
}

TEST_CASE("reload_problem_18: with reload off a change changes nothing") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "routes = \"/blog\"\nreload = \"off\"");
  const AppTree other = daemon.add_app("other", "routes = \"/other\"");
  app.write("app.py", answers_with_late_import("part"));
  app.write("part.py", version("one"));
  other.write("app.py", answers("one"));
  daemon.start();
  app.write("part.py", version("two"));
  app.write("app.py", "1 / 0\n");
  app.write("app.py", answers_with_late_import("part"));
  other.write("app.py", answers("two"));
  CHECK(daemon.wait_for_body("/other", "two"));  // it changed later
  CHECK(daemon.get("/blog").body == "one");
  CHECK(daemon.generation("blog") == 1);
  CHECK(count_events(daemon, "generation.making") == 1);
  app.touch("tmp/restart.txt");  // what asks for it is heard
  CHECK(daemon.wait_for_body("/blog", "two"));
  CHECK(daemon.generation("blog") == 2);
}

TEST_CASE("reload_problem_19: state is handed over, refused by its version, and resources are released") {
  const auto app_py = [](const std::string& format) {
    return serves(
        "import moult, os\n"
        "FORMAT = " +
        format +
        "\n"
        "POOL = os.path.dirname(__file__) + '/pool.db'\n"
        "connection = os.open(POOL, os.O_RDWR | os.O_CREAT)\n"
        "state = {'format': FORMAT, 'n': 0}\n"
        "@moult.handoff\n"
        "def give(): return state\n"
        "@moult.adopt\n"
        "def take(given, generation):\n"
        "    if given['format'] != FORMAT: raise ValueError('format %s' % given['format'])\n"
        "    state.update(given)\n"
        "@moult.retire\n"
        "def close(): os.close(connection)\n"
        "def is_pool(fd):\n"
        "    try: return os.readlink('/proc/self/fd/' + fd) == os.path.realpath(POOL)\n"
        "    except OSError: return False\n"
        "def answer(path):\n"
        "    state['n'] += path == '/add'\n"
        "    return state['n'], sum(map(is_pool, os.listdir('/proc/self/fd')))\n");
  };
  CHECK(plain_python({{"app.py", app_py("1")}}, {}, R"(
same = lambda function: function
sys.modules['moult'] = type(sys)('moult')
sys.modules['moult'].__dict__.update(handoff=same, adopt=same, retire=same)
import app
app.answer('/add')
for _ in range(3): importlib.reload(app)
print(app.answer('/'))
)") == "(0, 4)\n");

  const Blog blog({{"app.py", app_py("1")}}, "keep_previous = 0");
  CHECK(blog.body("/add") == "(1, 1)");
  for (int i = 0; i < 5; ++i) CHECK(blog.call("reload").ok());
  CHECK(blog.generation() == 6);
  CHECK(blog.answers_soon("(1, 1)"));
  blog.save({{"app.py", app_py("2")}});
  CHECK(blog.answers_soon("(0, 1)"));
  const Answer events = blog.daemon.call("events", R"({"app":"blog","filter":["generation.adopt_failed"]})");
  REQUIRE(events.size("/events") == 1);
  CHECK(events.text("/events/0/data/error") == "ValueError: format 1");
}

TEST_CASE("reload_problem_20: requests, calls and modules share one copy of their data") {
  const Sources files{{"app.py", serves("LIST = []\n"
                                        "def answer(path):\n"
                                        "    import part\n"
                                        "    part.put()\n"
                                        "    return len(LIST)\n")},
                      {"part.py",
                       "import app\n"
                       "def put():\n"
                       "    app.LIST.append(1)\n"
                       "    return len(app.LIST)\n"}};
  CHECK(plain_python(files, {}, "print(runpy.run_path('tree/app.py')['answer']('/'))\n") == "0\n");

  const Blog blog(files, "exports = \"part:put\"\nthreads = 3");
  CHECK(blog.body() == "1");
  CHECK(blog.body() == "2");
  CHECK(blog.daemon.call("call", R"({"app":"blog","function":"put"})").number("/result") == 3);
  CHECK(blog.body() == "4");
}

TEST_CASE("reload_problem_21: files that change between two imports of a request are of one version") {
  const Sources old_files{{"first.py", version("one")}, {"second.py", version("one")}};
  const Sources new_files{{"first.py", version("two")}, {"second.py", version("two")}};
  Sources plain = old_files;
  plain["app.py"] = two_imports("sys.modules['__main__'].edit()");
  CHECK(plain_python(plain, new_files, "import app; print(app.answer('/slow'))\n") == "one two\n");

  DaemonProcess daemon;
  const Gate gate(daemon, "slow");
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", two_imports(gate.expression()));
  app.write_all({"first.py", "second.py"}, version("one"));
  daemon.start();
  Waiting slow(daemon, gate);
  app.write_all({"first.py", "second.py"}, version("two"));
  CHECK(daemon.wait_for_body("/", "two two"));
  app.remove("second.py");
  gate.open();
  CHECK(slow.body() == "one one");
}

TEST_CASE("reload_problem_22: entries of sys.path are unique and in the configured order") {
  // Nothing to show in plain Python: what added them twice was a setting.
  DaemonProcess daemon;
  const AppTree tree = daemon.tree("blog");
  for (const std::string name : {"one/x.py", "two/x.py", "three/x.py"})
    tree.write(name, "WHERE = '" + name + "'\n");
  const auto text = [&](const std::string& name) { return json_text((tree / name).string()); };
  const std::string path = (tree / "three").string() + ":" + (tree / "one").string();
  daemon.write_app_config("blog", tree.path(),
                          "path = [" + text("two") + ", " + text("one") + ", " + text("two") +
                              "]\nenv = { PYTHONPATH = " + json_text(path) + " }\n");
  tree.write("app.py", serves("import os, sys\n"
                              "def answer(path):\n"
                              "    import x\n"
                              "    return [os.path.basename(p) for p in sys.path[:4]], x.WHERE,\\\n"
                              "        len(sys.path) == len(set(sys.path))\n"));
  daemon.start();
  const std::string right = "(['two', 'one', 'blog', 'three'], 'two/x.py', True)";
  CHECK(daemon.get("/").body == right);
  CHECK(daemon.call("reload", R"({"app":"blog"})").ok());
  CHECK(daemon.get("/").body == right);
}

TEST_CASE("reload_problem_23: frozen, nothing is reloaded; at thaw all changes are, once") {
  const Sources old_files{{"app.py", two_imports("__import__('moult').freeze()")},
                          {"first.py", version("one")},
                          {"second.py", version("one")}};
  // Reloaded where it was asked for, and not elsewhere.
  CHECK(plain_python(old_files, {{"first.py", version("two")}, {"second.py", version("two")}}, R"(
import app
app.answer('/')
edit()
importlib.reload(app.first)
print(app.answer('/'))
)") == "two one\n");

  const Blog blog(old_files);
  const auto is_frozen = [&] { return blog.daemon.status("blog").flag("/frozen"); };
  const auto is_noted = [&](std::size_t changes) {
    return eventually([&] { return frozen_changes(blog.daemon) >= changes; });
  };
  CHECK(blog.body("/slow") == "one one");  // the app freezes itself
  CHECK(eventually(is_frozen));
  blog.save({{"first.py", version("two")}});
  CHECK(is_noted(1));
  blog.save({{"second.py", version("two")}});
  CHECK(is_noted(2));
  CHECK(blog.body() == "one one");
  CHECK(blog.generation() == 1);
  CHECK(blog.daemon.ctl({"thaw", "blog"}).status == 0);
  CHECK(blog.answers_soon("two two"));
  CHECK(blog.generation() == 2);
  // All apps.
  CHECK(blog.daemon.ctl({"freeze"}).status == 0);
  CHECK(is_frozen());
  blog.save({{"second.py", version("three")}});
  CHECK(is_noted(3));
  CHECK(blog.body() == "two two");
  CHECK(blog.daemon.ctl({"thaw"}).status == 0);
  CHECK(blog.answers_soon("two three"));
  CHECK(blog.generation() == 3);
  CHECK(count_events(blog.daemon, "generation.making") == 3);
}

TEST_CASE("reload_problem_24: an __init__ runs once per generation") {
  const Sources files{{"pkg/__init__.py", "import sys\nsys.loads = getattr(sys, 'loads', 0) + 1\n"},
                      {"pkg/a.py", ""},
                      {"pkg/b.py", "import pkg.a\n"},
                      {"pkg/c.py", "VERSION = 1\n"},
                      {"app.py", serves("import sys, pkg.a\n"
                                        "def answer(path):\n"
                                        "    import pkg.b, pkg.c\n"
                                        "    return sys.loads, pkg.c.VERSION\n")}};
  // Forgetting a package and its parts is the usual way to have a part anew.
  CHECK(plain_python(files, {}, R"(
for part in ('a', 'b', 'c'):
    for name in [name for name in sys.modules if name.partition('.')[0] == 'pkg']: del sys.modules[name]
    importlib.import_module('pkg.' + part)
print(sys.loads)
)") == "3\n");

  const Blog blog(files);
  CHECK(blog.body() == "(1, 1)");
  CHECK(blog.body() == "(1, 1)");
  blog.save({{"pkg/c.py", "VERSION = 2\n"}});
  CHECK(blog.answers_soon("(1, 2)"));
}
