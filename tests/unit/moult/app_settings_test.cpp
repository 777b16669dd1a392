#include "daemon/moult/app_settings.h"

#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <stdlib.h>

using namespace moult;

namespace {

using Texts = std::vector<std::string>;

AppConfig blog() {
  AppConfig app;
  app.name = "blog";
  app.tree = "/srv/blog";
  app.entry = "app.py";
  return app;
}

Snapshot snapshot_at(std::string root) {
  Snapshot snapshot;
  snapshot.root = std::move(root);
  snapshot.roots = {snapshot.root, "/srv/lib"};
  snapshot.files = {{snapshot.root + "/gone.wsgi", SnapshotKind::data, 0, 0, {}},
                    {snapshot.root + "/present.wsgi", SnapshotKind::source, 0, 0, {}}};
  return snapshot;
}

PythonInfo python(std::string executable, int minor = 11) {
  PythonInfo info;
  info.executable = std::move(executable);
  info.major = 3;
  info.minor = minor;
  return info;
}

InterpreterSpec spec_of(const AppConfig& app, const Environment& environment = {}) {
  return make_command(app, snapshot_at("/srv/releases/7"), place_of(app), {}, environment).spec;
}

// Sets a variable of this process for one scope.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

}  // namespace

TEST_CASE("the daemon's environment leaves out what belongs to its own start") {
  const Variable mine("MOULT_TEST_MARK", "1");
  const Variable fds("LISTEN_FDS", "1");
  const Variable notify("NOTIFY_SOCKET", "/run/x");
  const Variable invocation("INVOCATION_ID", "x");
  const Variable journal("JOURNAL_STREAM", "8:1");
  const Variable kept("UNIT_KEPT", "a=b");
  const Variable near("XMOULT_", "kept");
  const Environment environment = daemon_environment();
  for (const char* name :
       {"MOULT_TEST_MARK", "LISTEN_FDS", "NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM"}) {
    CHECK_FALSE(environment.contains(name));
  }
  CHECK(environment.at("UNIT_KEPT") == "a=b");
  CHECK(environment.contains("XMOULT_"));
}

TEST_CASE("an app sees the daemon's environment with its own over it") {
  AppConfig app = blog();
  app.env = {{"LANG", "de_DE.UTF-8"}, {"SECRET", ""}};
  const Environment environment = environment_of(app, {{"LANG", "C"}, {"HOME", "/home/u"}});
  CHECK(environment == Environment{{"HOME", "/home/u"}, {"LANG", "de_DE.UTF-8"}, {"SECRET", ""}});
}

TEST_CASE("a virtual environment is named and comes first in PATH, also in one of the app's own") {
  AppConfig app = blog();
  app.venv = "/srv/venv";
  const Environment environment = environment_of(app, {{"PATH", "/usr/bin"}});
  CHECK(environment.at("VIRTUAL_ENV") == "/srv/venv");
  CHECK(environment.at("PATH") == "/srv/venv/bin:/usr/bin");
  app.env = {{"PATH", "/opt/bin"}};
  CHECK(environment_of(app, {{"PATH", "/usr/bin"}}).at("PATH") == "/srv/venv/bin:/opt/bin");
}

TEST_CASE("without a PATH the virtual environment's is the whole, and the current folder is not in it") {
  AppConfig app = blog();
  app.venv = "/srv/venv";
  CHECK(environment_of(app, {}).at("PATH") == "/srv/venv/bin");
}

TEST_CASE("packages lie in the virtual environment when there is one") {
  AppConfig app = blog();
  app.venv = "/srv/venv";
  CHECK(site_folders(app, python("/usr/bin/python3.11"), {{"HOME", "/home/u"}}) ==
        Texts{"/srv/venv/lib/python3.11/site-packages"});
}

TEST_CASE("packages of the system belong to a virtual environment that sees them") {
  AppConfig app = blog();
  app.venv = "/srv/venv";
  app.venv_sees_system = true;
  CHECK(site_folders(app, python("/usr/bin/python3.11"), {{"HOME", "/home/u"}}) ==
        Texts{"/srv/venv/lib/python3.11/site-packages", "/usr/lib/python3.11/site-packages",
              "/usr/lib/python3/dist-packages", "/usr/local/lib/python3.11/dist-packages",
              "/home/u/.local/lib/python3.11/site-packages"});
}

TEST_CASE("a path entry that is a folder of installed packages counts as one, others do not") {
  AppConfig app = blog();
  app.path = {"/srv/lib", "/x/lib/python3.11/site-packages", "/usr/lib/python3/dist-packages"};
  CHECK(package_folders(app, {"/usr/lib/python3.11/site-packages", "/usr/lib/python3/dist-packages"}) ==
        Texts{"/x/lib/python3.11/site-packages", "/usr/lib/python3/dist-packages",
              "/usr/lib/python3.11/site-packages"});
}

TEST_CASE("packages of Debian's Python lie where Debian puts them, and in the home folder") {
  CHECK(site_folders(blog(), python("/usr/bin/python3.11"), {{"HOME", "/home/u"}}) ==
        Texts{"/usr/lib/python3.11/site-packages", "/usr/lib/python3/dist-packages",
              "/usr/local/lib/python3.11/dist-packages", "/home/u/.local/lib/python3.11/site-packages"});
}

TEST_CASE("packages of another Python lie below its own prefix") {
  CHECK(site_folders(blog(), python("/opt/py/bin/python3.14", 14), {}) ==
        Texts{"/opt/py/lib/python3.14/site-packages"});
}

TEST_CASE("the entry's file is in the tree, and that of a module's name may be") {
  AppConfig app = blog();
  CHECK(entry_file_of(app) == "/srv/blog/app.py");
  app.entry = "site/manage.py";
  CHECK(entry_file_of(app) == "/srv/blog/site/manage.py");
  app.entry = "blog.web";
  CHECK(entry_file_of(app) == "/srv/blog/blog.web");
}

TEST_CASE("a file, a module and a Django project are told to the host as what they are") {
  AppConfig app = blog();
  app.callable = "create_app";
  InterpreterSpec spec = spec_of(app);
  CHECK(spec.entry.kind == "file");
  CHECK(spec.entry.path == "/srv/releases/7/app.py");
  CHECK(spec.entry.module.empty());
  CHECK(spec.entry.callable == "create_app");
  CHECK(spec.argv == Texts{"/srv/releases/7/app.py"});
  app.entry = "blog.web";
  spec = spec_of(app);
  CHECK(spec.entry.kind == "module");
  CHECK(spec.entry.module == "blog.web");
  CHECK(spec.entry.path.empty());
  CHECK(spec.argv == Texts{"blog.web"});
  app.entry = "proj.wsgi";
  CHECK(spec_of(app).entry.kind == "module");
  app.entry = "gone.wsgi";
  CHECK(spec_of(app).entry.kind == "module");
  app.entry = "present.wsgi";  // the snapshot has such a file
  spec = spec_of(app);
  CHECK(spec.entry.kind == "file");
  CHECK(spec.entry.path == "/srv/releases/7/present.wsgi");
  app.entry = "manage.py";
  spec = spec_of(app);
  CHECK(spec.entry.kind == "django");
  CHECK(spec.entry.path == "/srv/releases/7/manage.py");
}

TEST_CASE("folders below the tree move with it, others stay, and a like name is not below it") {
  AppConfig app = blog();
  app.path = {"/srv/blog", "/srv/blog/lib", "/srv/blog-old/lib", "/opt/lib"};
  app.cwd = "/srv/blog/run";
  const InterpreterSpec spec = spec_of(app);
  CHECK(spec.tree == "/srv/releases/7");
  CHECK(spec.path == Texts{"/srv/releases/7", "/srv/releases/7/lib", "/srv/blog-old/lib", "/opt/lib"});
  CHECK(spec.cwd == "/srv/releases/7/run");
  CHECK(spec.roots == Texts{"/srv/releases/7", "/srv/lib"});
}

TEST_CASE("folders outside the tree are those that their symlinks led to when the attempt began") {
  const TempTree temp;
  temp.folder("lib-1");
  temp.link("lib-1", "lib");
  AppConfig app = blog();
  app.path = {temp.path("lib"), "/nonexistent/lib"};
  app.cwd = temp.path("lib");
  ResolvedPlace place = place_of(app);
  resolve(place);
  const InterpreterSpec spec = make_command(app, snapshot_at("/srv/blog"), place, {}, {}).spec;
  CHECK(spec.path == Texts{temp.path("lib-1"), "/nonexistent/lib"});
  CHECK(spec.cwd == temp.path("lib-1"));
}

TEST_CASE("the current folder is the tree's root unless one is set") {
  AppConfig app = blog();
  CHECK(spec_of(app).cwd == "/srv/releases/7");
  app.cwd = "/var/lib/blog";
  CHECK(spec_of(app).cwd == "/var/lib/blog");
}

TEST_CASE("PYTHONPATH is left to the interpreter, which puts it behind the tree, as python does") {
  AppConfig app = blog();
  app.path = {"/opt/lib"};
  CHECK(spec_of(app, {{"PYTHONPATH", "/a:/b"}}).path == Texts{"/opt/lib"});
}

TEST_CASE("the rest of the settings reach the host as they are") {
  AppConfig app = blog();
  app.threads = 9;
  app.routes = {{"example.org", "/shop"}, {"", "/other"}};
  app.venv = "/srv/venv";
  app.python_flags = {"-O", "-W", "error"};
  app.debug = true;
  app.exports = {"shop:total"};
  app.max_payload = 4096;
  app.scratch_interpreters = 2;
  AppRecord record;
  record.preimport = {"/x.so"};
  const Environment environment{{"A", "1"}};
  const MakeCommand command = make_command(app, snapshot_at("/srv/blog"), place_of(app), record, environment);
  CHECK(command.app == "blog");
  CHECK(command.threads == 9);
  CHECK(command.spec.script_name == "/shop");
  CHECK(command.spec.venv == "/srv/venv");
  CHECK(command.spec.python_flags == app.python_flags);
  CHECK(command.spec.debug);
  CHECK(command.spec.exports == Texts{"shop:total"});
  CHECK(command.spec.max_payload == 4096);
  CHECK(command.spec.scratch_interpreters == 2);
  CHECK(command.spec.preimport == Texts{"/x.so"});
  CHECK(command.spec.env == environment);
  CHECK(command.spec.signals == "ignore");
}

TEST_CASE("an app on its own at every address is not mounted anywhere") {
  CHECK(spec_of(blog()).script_name.empty());
}

TEST_CASE("wsgi.multiprocess is true only with several interpreters") {
  AppConfig app = blog();
  CHECK_FALSE(spec_of(app).multiprocess);
  app.interpreters = 2;
  CHECK(spec_of(app).multiprocess);
}

TEST_CASE("the policy for signals has the words of the protocol") {
  AppConfig app = blog();
  CHECK(spec_of(app).signals == "ignore");
  app.signals = SignalPolicy::error;
  CHECK(spec_of(app).signals == "error");
}

TEST_CASE("the C-level environment is what programs read at their start") {
  const Environment all{{"TZ", "UTC"},       {"LANG", "C"},    {"LANGUAGE", "de"},    {"LC_ALL", "C"},
                        {"LD_PRELOAD", "x"}, {"MALLOC_", "1"}, {"PYTHONMALLOC", "x"}, {"ASAN_OPTIONS", "y"},
                        {"HOME", "/home/u"}, {"TZDIR", "z"},   {"PYTHONPATH", "/a"},  {"XLC_ALL", "C"}};
  std::vector<std::string> names;
  for (const auto& [name, value] : c_environment_of(all)) names.push_back(name);
  CHECK(names ==
        Texts{"ASAN_OPTIONS", "LANG", "LANGUAGE", "LC_ALL", "LD_PRELOAD", "MALLOC_", "PYTHONMALLOC", "TZ"});
}

TEST_CASE("apps share a host when Python, mode and C-level environment are the same") {
  const PythonInfo info = python("/usr/bin/python3.11");
  const auto key = [&](const Environment& environment, const AppRecord& record = {}) {
    return host_key(blog(), info, InterpreterMode::shared, record, environment);
  };
  CHECK(key({{"HOME", "/a"}, {"TZ", "UTC"}}) == key({{"HOME", "/b"}, {"TZ", "UTC"}}));
  CHECK_FALSE(key({{"TZ", "UTC"}}) == key({{"TZ", "Europe/Berlin"}}));
  CHECK_FALSE(key({{"TZ", "UTC"}}) == key({}));
  CHECK_FALSE(key({}) == host_key(blog(), info, InterpreterMode::own, {}, {}));
  CHECK_FALSE(key({}) == host_key(blog(), python("/opt/bin/python"), InterpreterMode::shared, {}, {}));
}

TEST_CASE("what the app asked its process for wins over its environment") {
  AppRecord record;
  record.c_environment = {{"TZ", "Europe/Berlin"}};
  const HostKey key = host_key(blog(), python("/usr/bin/python3"), InterpreterMode::shared, record,
                               {{"TZ", "UTC"}, {"LANG", "C"}});
  CHECK(key.c_environment == Environment{{"LANG", "C"}, {"TZ", "Europe/Berlin"}});
}

TEST_CASE("flags that change the process are those of a process of its own only") {
  AppConfig app = blog();
  app.python_flags = {"-O", "-W", "error", "-OO", "-q"};
  const auto flags = [&](InterpreterMode mode) {
    return host_key(app, python("/usr/bin/python3"), mode, {}, {}).process_flags;
  };
  CHECK(flags(InterpreterMode::main) == "-O -OO -q");
  CHECK(flags(InterpreterMode::shared).empty());
}

TEST_CASE("the snapshot is of the tree, the app's path and the editable installs") {
  AppConfig app = blog();
  app.path = {"/srv/lib"};
  app.watch = {"/srv/blog/templates"};
  const SnapshotSpec spec = snapshot_spec(app, {"/src/editable"}, Reach::files);
  CHECK(spec.tree == "/srv/blog");
  CHECK(spec.roots == Texts{"/srv/lib", "/src/editable"});
  CHECK(spec.entry_file == "/srv/blog/app.py");
  CHECK(spec.data == Texts{"/srv/blog/templates"});
  CHECK(spec.reach == Reach::files);
}

TEST_CASE("code that a generation uses counts, its data unless it wrote that itself") {
  SnapshotSpec spec;
  const std::set<std::string> used{"/srv/blog/_fast.so",  "/srv/blog/app.py", "/srv/blog/data.json",
                                   "/srv/blog/page.html", "/srv/common/x.py", "/srv/common/_fast.so"};
  add_code_used(used, {"/srv/blog", "/opt/lib"}, spec);
  CHECK(spec.outside == Texts{"/srv/common/x.py"});
  CHECK(spec.opened == Texts{"/srv/blog/_fast.so", "/srv/common/_fast.so"});
  spec.opened.clear();
  add_data_used(used, {"/srv/blog/data.json"}, spec);
  CHECK(spec.opened == Texts{"/srv/blog/page.html"});
}

TEST_CASE("watched is what the snapshot is of, and the installed packages") {
  AppConfig app = blog();
  app.path = {"/srv/lib"};
  app.watch = {"/srv/blog/templates"};
  app.ignore = {"*.tmp"};
  app.polling = Toggle::on;
  const WatchSpec spec = watch_spec(app, {"/srv/venv/lib"}, {"/src/editable"}, Reach::tree);
  CHECK(spec.tree == "/srv/blog");
  CHECK(spec.roots == Texts{"/srv/lib", "/src/editable"});
  CHECK(spec.entry_file == "/srv/blog/app.py");
  CHECK(spec.watch == app.watch);
  CHECK(spec.ignore == app.ignore);
  CHECK(spec.packages == Texts{"/srv/venv/lib"});
  CHECK(spec.always_poll);
  CHECK(spec.restart_file.empty());
}

TEST_CASE("an env file stands over the daemon's environment and under env") {
  AppConfig app = blog();
  app.env = {{"A", "env"}};
  const Environment environment = environment_of(app, {{"A", "daemon"}, {"B", "daemon"}, {"C", "daemon"}},
                                                 {{"A", "file"}, {"B", "file"}});
  CHECK(environment == Environment{{"A", "env"}, {"B", "file"}, {"C", "daemon"}});
}

TEST_CASE("an env file is watched, and a change of it is one of the app") {
  AppConfig app = blog();
  app.env_file = "/srv/blog.env";
  CHECK(snapshot_spec(app, {}, Reach::tree).data == Texts{"/srv/blog.env"});
  CHECK(watch_spec(app, {}, {}, Reach::tree).watch == Texts{"/srv/blog.env"});
}

TEST_CASE("a virtual environment in the tree is that of the release which was taken") {
  AppConfig app = blog();
  app.venv = "/srv/blog/.venv";
  const auto venv_in = [&](const char* root) {
    return make_command(app, snapshot_at(root), place_of(app), {}, {}).spec.venv;
  };
  CHECK(venv_in("/srv/releases/2") == "/srv/releases/2/.venv");
  app.venv = "/srv/venv";
  CHECK(venv_in("/srv/releases/2") == "/srv/venv");
}
