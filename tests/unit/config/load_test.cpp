#include "config_folder.h"

#include "daemon/config/app_values.h"

using namespace moult;

TEST_CASE("a folder without files is a daemon without apps on the default address") {
  const ConfigFolder folder;
  const auto config = load_config(folder.config());
  REQUIRE(config);
  CHECK(config->apps.empty());
  CHECK(config->daemon.folder == folder.config());
  CHECK(config->daemon.source_file.empty());
  REQUIRE(config->daemon.listen.size() == 1);
  CHECK(to_string(config->daemon.listen.front()) == "127.0.0.1:8000");
  CHECK(config->daemon.trusted_proxies == std::vector<std::string>{"unix"});
}

TEST_CASE("a config folder that is not there is an error that says what to do") {
  const ConfigFolder folder;
  const auto config = load_config(folder.path("nowhere"));
  REQUIRE_FALSE(config);
  REQUIRE(config.error().size() == 1);
  CHECK(contains(config.error().front().message, "no such config folder"));
  CHECK(contains(config.error().front().hint, "moultd run"));
}

TEST_CASE("every setting of an app is read") {
  ConfigFolder folder;
  folder.folder("trees/blog/public");
  folder.file("pythons/python3", "#!/bin/sh\n", 0700);
  folder.file("trees/blog/venv/pyvenv.cfg", "home = /usr/bin\n");
  folder.file("trees/blog/venv/bin/python", "#!/bin/sh\n", 0700);
  const std::string file = folder.app("blog", R"toml(
entry = "blog/wsgi.py"
callable = "make_app()"
route = "example.org/blog"
listen = ["127.0.0.1:9000", { unix = "../../run/blog.sock", mode = "0600", group = "www-data" }]
static = { "/static/" = "../../trees/blog/public" }
python = "../../pythons/python3"
venv = "../../trees/blog/venv"
path = ["../../trees"]
cwd = "../../trees"
env = { DJANGO_SETTINGS_MODULE = "blog.settings" }
python_flags = ["-Wignore"]
threads = 8
interpreters = 2
gil = "shared"
isolation = "interpreter"
group = "web"
signals = "error"
reload = "off"
watch = "../../trees/blog/templates"
watch_templates = false
ignore = ["*.tmp", "/data/"]
polling = true
settle = "50ms"
settle_max = 2.5
start_timeout = 20
warmup = ["/", "/health"]
drain_timeout = "2min"
keep_previous = 0
retire_timeout = "5s"
max_draining = 2
preload = ["numpy", "shop.models"]
exports = ["shop.api:total", "shop:cart"]
max_payload = "1MiB"
scratch_interpreters = 0
adopt = "required"
handoff_timeout = "2s"
queue = 7
queue_timeout = "10s"
call_timeout = "1min"
max_body = "1MiB"
retry_safe = true
debug = true
log_imports = true
log_max_size = "1MiB"
log_keep = 2
)toml");
  const auto config = load_config(folder.config());
  if (!config) {
    for (const Error& error : config.error()) MESSAGE(describe(error));
  }
  REQUIRE(config);
  REQUIRE(config->apps.size() == 1);
  const AppConfig& app = config->apps.front();
  CHECK(app.name == "blog");
  CHECK(app.source_file == file);
  CHECK(app.tree == folder.path("trees/blog"));
  CHECK(app.entry == "blog/wsgi.py");
  CHECK(app.callable == "make_app()");
  CHECK(app.routes == std::vector<RoutePattern>{{"example.org", "/blog"}});
  REQUIRE(app.listen.size() == 2);
  CHECK(app.listen[1].unix_path == folder.path("run/blog.sock"));
  CHECK(app.listen[1].mode == 0600);
  CHECK(app.listen[1].group == "www-data");
  CHECK(app.static_files.at("/static/") == folder.path("trees/blog/public"));
  CHECK(app.python == folder.path("pythons/python3"));
  CHECK(app.venv == folder.path("trees/blog/venv"));
  CHECK_FALSE(app.venv_sees_system);
  CHECK(app.path == std::vector<std::string>{folder.path("trees")});
  CHECK(app.cwd == folder.path("trees"));
  CHECK(app.env.at("DJANGO_SETTINGS_MODULE") == "blog.settings");
  CHECK(app.python_flags == std::vector<std::string>{"-Wignore"});
  CHECK(app.threads == 8);
  CHECK(app.interpreters == 2);
  CHECK(app.gil == GilMode::shared);
  CHECK(app.isolation == Isolation::interpreter);
  CHECK(app.group == "web");
  CHECK(app.signals == SignalPolicy::error);
  CHECK(app.reload == Toggle::off);
  CHECK(app.watch == std::vector<std::string>{folder.path("trees/blog/templates")});
  CHECK_FALSE(app.watch_templates);
  CHECK(app.ignore == std::vector<std::string>{"*.tmp", "/data/"});
  CHECK(app.polling == Toggle::on);
  CHECK(app.settle == Milliseconds(50));
  CHECK(app.settle_max == Milliseconds(2500));
  CHECK(app.start_timeout == Milliseconds(20'000));
  CHECK(app.warmup == std::vector<std::string>{"/", "/health"});
  CHECK(app.drain_timeout == Milliseconds(120'000));
  CHECK(app.keep_previous == Milliseconds(0));
  CHECK(app.retire_timeout == Milliseconds(5000));
  CHECK(app.max_draining == 2);
  CHECK(app.preload == std::vector<std::string>{"numpy", "shop.models"});
  CHECK(app.exports == std::vector<std::string>{"shop.api:total", "shop:cart"});
  CHECK(app.max_payload == 1u << 20);
  CHECK(app.scratch_interpreters == 0);
  CHECK(app.adopt == AdoptPolicy::required);
  CHECK(app.handoff_timeout == Milliseconds(2000));
  CHECK(app.queue == 7);
  CHECK(app.queue_timeout == Milliseconds(10'000));
  CHECK(app.call_timeout == Milliseconds(60'000));
  CHECK(app.max_body == 1u << 20);
  CHECK(app.retry_safe);
  CHECK(app.debug);
  CHECK(app.log_imports);
  CHECK(app.log_max_size == 1u << 20);
  CHECK(app.log_keep == 2);
  CHECK_FALSE(app.single_file_allowed);
}

TEST_CASE("every setting of the daemon is read") {
  ConfigFolder folder;
  folder.file("config/moult.toml", R"(
listen = ["127.0.0.1:0", "unix:moult.sock"]
trusted_proxies = ["unix", "10.0.0.0/8", "fd00::1"]
hosts = 2
host_memory_growth = 0
reload = "off"
header_timeout = "1s"
body_timeout = "2s"
idle_timeout = "3s"
send_timeout = "4s"
min_rate = "2kB"
max_connections = 50
snapshot_max_size = "2MiB"
snapshot_keep = 3
bytecode_cache = "8MiB"
access_log = true
)");
  const auto config = load_config(folder.config());
  REQUIRE(config);
  const DaemonConfig& daemon = config->daemon;
  CHECK(daemon.source_file == folder.path("config/moult.toml"));
  REQUIRE(daemon.listen.size() == 2);
  CHECK(daemon.listen[1].unix_path == folder.path("config/moult.sock"));
  CHECK(daemon.trusted_proxies == std::vector<std::string>{"unix", "10.0.0.0/8", "fd00::1"});
  CHECK(daemon.hosts == 2);
  CHECK(daemon.host_memory_growth == 0);
  CHECK(daemon.reload == Toggle::off);
  CHECK(daemon.header_timeout == Milliseconds(1000));
  CHECK(daemon.body_timeout == Milliseconds(2000));
  CHECK(daemon.idle_timeout == Milliseconds(3000));
  CHECK(daemon.send_timeout == Milliseconds(4000));
  CHECK(daemon.min_rate == 2000);
  CHECK(daemon.max_connections == 50);
  CHECK(daemon.snapshot_max_bytes == 2u << 20);
  CHECK(daemon.snapshot_keep == 3);
  CHECK(daemon.bytecode_cache == 8u << 20);
  CHECK(daemon.access_log);
}

TEST_CASE("defaults go to every app and an app's own key wins") {
  ConfigFolder folder;
  folder.file("config/moult.toml",
              "[defaults]\nthreads = 9\nenv = { A = \"1\", B = \"1\" }\nwatch = [\"shared\"]\n");
  folder.app("a", "route = \"/a\"\nenv = { B = \"2\" }\n");
  folder.app("b", "route = \"/b\"\nthreads = 2\n");
  const auto config = load_config(folder.config());
  REQUIRE(config);
  REQUIRE(config->apps.size() == 2);
  CHECK(config->apps[0].threads == 9);
  CHECK(config->apps[1].threads == 2);
  CHECK(config->apps[0].env == std::map<std::string, std::string>{{"A", "1"}, {"B", "2"}});
  CHECK(config->apps[0].watch == std::vector<std::string>{folder.path("config/shared")});
}

TEST_CASE("only visible toml files are apps") {
  ConfigFolder folder;
  folder.app("blog");
  folder.file("config/apps/.#blog.toml", "nonsense");
  folder.file("config/apps/blog.toml~", "nonsense");
  folder.file("config/apps/README", "nonsense");
  const auto config = load_config(folder.config());
  REQUIRE(config);
  CHECK(config->apps.size() == 1);
}

TEST_CASE("the entry is found in the tree where it is not named") {
  ConfigFolder folder;
  folder.file("site/manage.py", "");
  folder.file("config/apps/blog.toml", "tree = \"../../site\"\n");
  const auto entry = [&] {
    const auto config = load_config(folder.config());
    REQUIRE(config);
    return config->apps.front().entry;
  };
  CHECK(entry() == "manage.py");
  folder.file("site/wsgi.py", "");
  CHECK(entry() == "wsgi.py");
}

TEST_CASE("code that is not there is no error of the config") {
  ConfigFolder folder;
  folder.folder("site");
  folder.file("config/apps/blog.toml", "tree = \"../../site\"\n");
  const auto config = load_config(folder.config());
  REQUIRE(config);
  CHECK(config->apps.front().entry == "app.py");
}

TEST_CASE("a tree that is a symlink stays unresolved") {
  ConfigFolder folder;
  folder.file("releases/1/app.py", "");
  std::filesystem::create_symlink("releases/1", folder.path("current"));
  folder.file("config/apps/blog.toml", "tree = \"../../current\"\n");
  const auto config = load_config(folder.config());
  REQUIRE(config);
  CHECK(config->apps.front().tree == folder.path("current"));
}

TEST_CASE("the entry may carry the callable") {
  ConfigFolder folder;
  folder.app("blog", "entry = \"pkg.site:make()\"\n");
  const auto config = load_config(folder.config());
  REQUIRE(config);
  CHECK(config->apps.front().entry == "pkg.site");
  CHECK(config->apps.front().callable == "make()");
}

TEST_CASE("all errors of all files are told, in order of file and line") {
  ConfigFolder folder;
  folder.file("config/moult.toml", "hosts = -1\nlisten = \"here\"\n");
  folder.app("a", "thread = 4\nthreads = \"4\"\n");
  folder.app("b", "= broken\n");
  folder.app("c", "gil = \"mine\"\n");
  const ConfigErrors errors = errors_of(folder);
  REQUIRE(errors.size() == 6);
  CHECK(contains(errors[0].file, "apps/a.toml"));
  CHECK(errors[0].line == 2);
  CHECK(errors[1].line == 3);
  CHECK(contains(errors[2].file, "apps/b.toml"));
  CHECK(contains(errors[3].file, "apps/c.toml"));
  CHECK(contains(errors[4].file, "moult.toml"));
  CHECK(contains(errors[5].message, "listen"));
  for (const Error& error : errors) CHECK(error.code == ErrorCode::config_invalid);
}

TEST_CASE("what is wrong in the defaults is told once") {
  ConfigFolder folder;
  folder.file("config/moult.toml", "[defaults]\nsettle = \"10s\"\n");
  folder.app("a", "route = \"/a\"\n");
  folder.app("b", "route = \"/b\"\n");
  const Error error = error_of(folder);
  CHECK(contains(error.file, "moult.toml"));
  CHECK(error.line == 2);
}
