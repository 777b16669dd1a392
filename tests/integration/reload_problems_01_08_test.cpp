// The twenty-four ways that reloading code in place goes wrong (docs/reloading.md has the table): each
// case shows, where a few lines can, that plain Python has the problem, and then that an app has not.

#include "tests/integration/reload_problems.h"
#include "tests/support/load_client.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <ctime>
#include <filesystem>

using namespace moult::testing;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// The line on the import of this module in the app's log; "": there is none.
std::string import_line(const DaemonProcess& daemon, const std::string& app, const std::string& module) {
  const std::string log = daemon.app_log(app);
  const std::size_t at = log.rfind("import " + module + " from ");
  return at == std::string::npos ? "" : log.substr(at, log.find('\n', at) - at);
}
bool logs_import(const DaemonProcess& daemon, const std::string& app, const std::string& module) {
  return eventually([&] { return !import_line(daemon, app, module).empty(); });
}

// The row of this module among those that the app says it has imported; "": there is none.
std::string imported(const Answer& imports, const std::string& module) {
  for (std::size_t i = 0; i < imports.size("/modules"); ++i) {
    const std::string row = "/modules/" + std::to_string(i);
    if (imports.text(row + "/module") == module) return row;
  }
  return "";
}

std::string answers_version_of_part() {
  return serves("import part\ndef answer(path): return part.VERSION\n");
}

// Writes the text, as a backup that is restored, with this time of change. The file that takes its name is
// another one, or the same one written over.
enum class As { another_file, same_file };
void restore(const AppTree& tree, const std::string& name, const std::string& text, std::time_t time, As as) {
  const std::string written = as == As::another_file ? "restored.tmp" : name;
  tree.write_in_place(written, text);
  const timespec both[2] = {{time, 0}, {time, 0}};  // as tar, cp -p and rsync set them
  REQUIRE(::utimensat(AT_FDCWD, (tree / written).c_str(), both, 0) == 0);
  if (as == As::another_file) std::filesystem::rename(tree / written, tree / name);
}

}  // namespace

// Of 1 to 3 plain Python has nothing to show: it does not log what it reloads.

TEST_CASE(
    "reload_problem_01: the imports of an app are listed, and logged if one setting says so, late ones too") {
  DaemonProcess daemon;
  for (const std::string name : {"blog", "shop"}) {
    const AppTree app = daemon.add_app(
        name, "routes = \"/" + name + "\"\nlog_imports = " + (name == "blog" ? "true" : "false"));
    app.write("app.py", "import first, html\n" + answers_with_late_import("pkg.late"));
    app.write("first.py", "import importlib.util\nimportlib.util.find_spec('asked')\n");
    app.write("asked.py", "");
    app.write("pkg/__init__.py", "");
    app.write("pkg/late.py", "VERSION = 1\n");
  }
  daemon.start();
  CHECK(daemon.get("/shop").body == "1");
  CHECK(logs_import(daemon, "blog", "app"));
  CHECK(logs_import(daemon, "blog", "first"));
  CHECK(logs_import(daemon, "blog", "html"));
  CHECK(import_line(daemon, "blog", "pkg").empty());
  CHECK(daemon.get("/blog").body == "1");
  CHECK(logs_import(daemon, "blog", "pkg.late"));
  CHECK_FALSE(import_line(daemon, "blog", "pkg").empty());
  CHECK(import_line(daemon, "blog", "asked").empty());  // whether it is there is no import
  CHECK_FALSE(contains(daemon.app_log("shop"), "import "));
  for (const std::string name : {"blog", "shop"}) {  // whatever that setting is
    const Answer imports = daemon.call("imports", R"({"app":")" + name + "\"}");
    for (const std::string module : {"app", "first", "pkg", "pkg.late"}) {
      const std::string row = imported(imports, module);
      REQUIRE_MESSAGE(!row.empty(), module);
      CHECK(imports.text(row + "/hash").size() == 12);
      CHECK(imports.text(row + "/code") != "");
      CHECK(imports.number(row + "/total_seconds") >= imports.number(row + "/self_seconds"));
    }
    CHECK(imports.text(imported(imports, "pkg.late") + "/file") == (daemon.tree(name) / "pkg/late.py"));
    CHECK(imports.text(imported(imports, "html") + "/hash").empty());  // none of the app's sources
    CHECK(imported(imports, "asked").empty());
  }
}

TEST_CASE("reload_problem_02: imports are logged whatever the log level is, and are none of debug's") {
  DaemonProcess daemon;
  for (const std::string name : {"blog", "shop"}) {
    const AppTree app = daemon.add_app(
        name, "routes = \"/" + name + "\"\n" + (name == "blog" ? "log_imports = true" : "debug = true"));
    app.write("app.py", "import part\n" + answers("one"));
    app.write("part.py", "");
  }
  // Started by hand: at this level the daemon does not say where it listens.
  const std::string door = "unix:" + (daemon.folder() / "web.sock");
  daemon.write_daemon_config("listen = " + json_text(door) + "\n");
  const Child quiet({{program("moultd"), "--config", daemon.config_folder(), "--state", daemon.state_folder(),
                      "--log-level", "error"},
                     daemon.environment(),
                     daemon.folder().path().string(),
                     {},
                     {}});
  const auto serves = [&](const std::string& app) {
    try {
      return get(door, "/" + app).body == "one";
    } catch (const std::exception&) {
      return false;  // it does not listen yet
    }
  };
  CHECK(eventually([&] { return serves("blog") && serves("shop"); }));
  CHECK(logs_import(daemon, "blog", "part"));
  CHECK_FALSE(contains(daemon.app_log("shop"), "import "));
}

TEST_CASE("reload_problem_03: each line says app, generation, interpreter, process, and why it was loaded") {
  const Blog blog({{"app.py", answers_version_of_part()}, {"part.py", "VERSION = 'one'\n"}},
                  "log_imports = true");
  const auto line = [&](const std::string& reason, int generation) {
    const std::string place = "(blog generation " + std::to_string(generation) + ", interpreter ";
    const std::string process = ", host process " + std::to_string(host_of(blog.daemon, "blog")) + ")";
    return eventually([&] {
      const std::string found = import_line(blog.daemon, "blog", "part");
      return contains(found, (blog.app / "part.py").string() + ": " + reason + " " + place) &&
             contains(found, process);
    });
  };
  CHECK_MESSAGE(line("first load", 1), blog.daemon.app_log("blog"));
  blog.save({{"part.py", "VERSION = 'two'\n"}});
  CHECK(blog.answers_soon("two"));
  CHECK_MESSAGE(line("reload because: change of part.py", 2), blog.daemon.app_log("blog"));
  CHECK(blog.call("reload").ok());
  CHECK_MESSAGE(line("reload because: reload", 3), blog.daemon.app_log("blog"));
}

TEST_CASE("reload_problem_04: a burst of changes and a burst of requests make one generation") {
  const Sources old_files{{"part.py", "import sys\nsys.loads = getattr(sys, 'loads', 0) + 1\n"}};
  // Each thread sees that the file is newer, and then each of them reloads.
  CHECK(plain_python(old_files, {{"part.py", old_files.at("part.py") + "#\n"}}, R"(
import part
edit()
seen = threading.Barrier(4)
one_at_a_time = threading.Lock()
def request():
    seen.wait()
    with one_at_a_time: importlib.reload(part)
threads = [threading.Thread(target=request) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sys.loads - 1)
)") == "4\n");

  const auto counted = [](int n) {
    return Sources{{"part.py", "VERSION = '" + std::to_string(n) + "'\n"},
                   {"more.py", "VERSION = " + std::to_string(n) + "\n"}};
  };
  const Blog blog(counted(0), "settle = \"200ms\"");
  blog.save({{"app.py", answers_version_of_part()}});
  REQUIRE(blog.answers_soon("0"));
  const int before = blog.generation();
  LoadClient requests(blog.daemon.address(), "/", 8, [](const HttpResponse& response, const std::string&) {
    return response.body == "0" || response.body == "9" ? "" : response.body;
  });
  for (int i = 1; i < 10; ++i) blog.save(counted(i));
  CHECK(blog.answers_soon("9"));
  requests.stop();
  CHECK_MESSAGE(requests.failed() == 0, requests.failures());
  // The next change makes the next one: there was none in between.
  blog.save(counted(10));
  CHECK(blog.answers_soon("10"));
  CHECK(blog.generation() == before + 2);
}

TEST_CASE("reload_problem_05: a file that is restored with an older time, or the same, is a change") {
  // Bytecode is taken for that of the new file: the size and the time are the same.
  CHECK(plain_python({{"part.py", "VERSION = 'one'\n"}}, {{"part.py", "VERSION = 'two'\n"}}, R"(
sys.dont_write_bytecode = False
os.utime('tree/part.py', (1e9, 1e9))
os.utime('next/part.py', (1e9, 1e9))
import part
edit()
print(importlib.reload(part).VERSION)
)") == "one\n");

  const Blog blog({{"part.py", "VERSION = 'one'\n"}, {"app.py", answers_version_of_part()}});
  constexpr std::time_t kOld = 1'000'000'000;
  const std::time_t to_come = std::time(nullptr) + 86'400;
  REQUIRE(blog.body() == "one");
  restore(blog.app, "part.py", "VERSION = 'two'\n", kOld, As::another_file);
  CHECK(blog.answers_soon("two"));
  restore(blog.app, "part.py", "VERSION = 'six'\n", kOld, As::another_file);
  CHECK(blog.answers_soon("six"));
  restore(blog.app, "part.py", "VERSION = 'ten'\n", kOld, As::same_file);
  CHECK(blog.answers_soon("ten"));
  restore(blog.app, "part.py", "VERSION = 'one'\n", to_come, As::same_file);
  CHECK(blog.answers_soon("one"));
}

TEST_CASE("reload_problem_06: a sub-module that is imported later is bound to its package") {
  const Sources old_files{{"pkg/__init__.py", "VERSION = 1\n"}, {"pkg/sub.py", "VERSION = 1\n"}};
  const Sources new_files{{"pkg/__init__.py", "VERSION = 2\n"}, {"pkg/sub.py", "VERSION = 2\n"}};
  // The package is made anew, its part is there already and stays with the old one.
  CHECK(plain_python(old_files, new_files, R"(
import pkg.sub
edit()
del sys.modules['pkg']
import pkg
import pkg.sub
print(pkg.VERSION, hasattr(pkg, 'sub'))
)") == "2 False\n");

  const Blog blog(old_files);
  blog.save({{"app.py", serves("import pkg\n"
                               "def answer(path):\n"
                               "    import pkg.sub\n"
                               "    return pkg.VERSION, pkg.sub.VERSION\n")}});
  CHECK(blog.answers_soon("(1, 1)"));
  blog.save(new_files);
  CHECK(blog.answers_soon("(2, 2)"));
}

TEST_CASE("reload_problem_07: reloading is switched off in one place, for one app or all, while they run") {
  DaemonProcess daemon;
  const std::string one_listener = "listen = \"127.0.0.1:0\"\n";
  for (const std::string name : {"blog", "shop"}) {
    daemon.add_app(name, "routes = \"/" + name + "\"").write("app.py", answers("one"));
  }
  daemon.start();
  const auto reloads = [&](const std::string& app, const std::string& reload) {
    return eventually([&] { return daemon.status(app).text("/watch") == reload; });
  };
  // One app.
  daemon.write_app_config("blog", daemon.tree("blog").path(), "routes = \"/blog\"\nreload = \"off\"");
  REQUIRE(reloads("blog", "off"));
  daemon.tree("blog").write("app.py", answers("two"));
  daemon.tree("shop").write("app.py", answers("two"));
  CHECK(daemon.wait_for_body("/shop", "two"));  // it changed later
  CHECK(daemon.get("/blog").body == "one");
  CHECK(daemon.call("why", R"({"app":"blog"})").raw().find("reload") != std::string::npos);
  // All apps.
  daemon.write_daemon_config(one_listener + "[defaults]\nreload = \"off\"\n");
  REQUIRE(reloads("shop", "off"));
  daemon.tree("shop").write("app.py", answers("three"));
  CHECK(daemon.call("reload", R"({"app":"blog"})").ok());  // a command still does
  CHECK(daemon.get("/blog").body == "two");
  CHECK(daemon.get("/shop").body == "two");
  // On again: what changed meanwhile counts.
  daemon.write_daemon_config(one_listener);
  CHECK(daemon.wait_for_body("/shop", "three"));
  CHECK(daemon.generation("blog") == 2);
}

TEST_CASE("reload_problem_08: a module deep below, and one that is imported late, are changes") {
  const auto files = [](const std::string& version) {
    return Sources{
        {"app.py", serves("import first\n"
                          "def answer(path):\n"
                          "    import late\n"
                          "    return first.version(), late.VERSION\n")},
        {"first.py", "import second\ndef version(): return second.third.VERSION\n"},
        {"second/__init__.py", "from second import third\n"},
        {"second/third.py", "VERSION = '" + version + "'\n"},
        {"late.py", "VERSION = '" + version + "'\n"},
    };
  };
  // Whoever reloads the app has the children as they were.
  CHECK(plain_python(files("one"), files("two"), R"(
import app
app.answer('/')
edit()
print(importlib.reload(app).answer('/'))
)") == "('one', 'one')\n");

  const Blog blog(files("one"));
  CHECK(blog.body() == "('one', 'one')");
  blog.save({{"second/third.py", "VERSION = 'two'\n"}});
  CHECK(blog.answers_soon("('two', 'one')"));
  blog.save({{"late.py", "VERSION = 'two'\n"}});
  CHECK(blog.answers_soon("('two', 'two')"));
}
