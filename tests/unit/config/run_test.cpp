#include "config_folder.h"

using namespace moult;

namespace {

RunOptions serve(std::string target) {
  RunOptions options;
  options.target = std::move(target);
  return options;
}

Error run_error(const RunOptions& options, const std::string& folder) {
  const auto config = config_for_run(options, folder);
  REQUIRE_FALSE(config);
  CHECK(config.error().code == ErrorCode::usage);
  return config.error();
}

}  // namespace

TEST_CASE("a file is served from its folder") {
  ConfigFolder folder;
  folder.file("work/My App.py", "");
  const auto config = config_for_run(serve("My App.py:make()"), folder.path("work"));
  REQUIRE(config);
  REQUIRE(config->apps.size() == 1);
  const AppConfig& app = config->apps.front();
  CHECK(app.tree == folder.path("work"));
  CHECK(app.entry == "My App.py");
  CHECK(app.callable == "make()");
  CHECK(app.name == "my-app");
  CHECK(app.single_file_allowed);
  CHECK(app.drain_timeout == Milliseconds(10'000));
  CHECK(app.settle == Milliseconds(20));
  CHECK(to_string(config->daemon.listen.at(0)) == "127.0.0.1:8000");
  CHECK(config->daemon.folder.empty());
}

TEST_CASE("a folder is served by the entry that is found in it") {
  ConfigFolder folder;
  folder.file("work/shop/manage.py", "");
  for (const char* target : {"shop", "shop/", "./shop", "shop/../shop"}) {
    const auto config = config_for_run(serve(target), folder.path("work"));
    REQUIRE(config);
    CHECK(config->apps.front().tree == folder.path("work/shop"));
    CHECK(config->apps.front().entry == "manage.py");
    CHECK(config->apps.front().name == "shop");
    CHECK_FALSE(config->apps.front().single_file_allowed);
  }
  const auto here = config_for_run(serve("."), folder.path("work/shop"));
  REQUIRE(here);
  CHECK(here->apps.front().name == "shop");
}

TEST_CASE("a module is found below the current folder") {
  ConfigFolder folder;
  folder.file("work/pkg/__init__.py", "");
  folder.file("work/pkg/site.py", "");
  const auto module = config_for_run(serve("pkg.site:app"), folder.path("work"));
  REQUIRE(module);
  CHECK(module->apps.front().tree == folder.path("work"));
  CHECK(module->apps.front().entry == "pkg.site");
  CHECK(module->apps.front().callable == "app");
  CHECK(module->apps.front().name == "pkg.site");
}

TEST_CASE("a module of the name of a WSGI script is one, unless there is such a file") {
  ConfigFolder folder;
  folder.file("work/proj/wsgi.py", "");
  for (const char* target : {"proj.wsgi", "proj.wsgi:application"}) {
    const auto config = config_for_run(serve(target), folder.path("work"));
    REQUIRE(config);
    CHECK(config->apps.front().tree == folder.path("work"));
    CHECK(config->apps.front().entry == "proj.wsgi");
    CHECK(config->apps.front().name == "proj.wsgi");
  }
  folder.file("work/proj.wsgi", "");
  const auto file = config_for_run(serve("proj.wsgi"), folder.path("work"));
  REQUIRE(file);
  CHECK(file->apps.front().entry == "./proj.wsgi");
  CHECK(file->apps.front().name == "proj");
  CHECK(contains(run_error(serve("other.wsgi"), folder.path("work")).message, "other/wsgi.py"));
}

TEST_CASE("a folder that is a package without an entry of a usual name is served as one") {
  ConfigFolder folder;
  folder.file("work/flaskr/__init__.py", "");
  for (const char* target : {"flaskr", "./flaskr", "flaskr:create_app('x')"}) {
    const auto config = config_for_run(serve(target), folder.path("work"));
    REQUIRE(config);
    CHECK(config->apps.front().tree == folder.path("work"));
    CHECK(config->apps.front().entry == "flaskr");
  }
  folder.file("work/flaskr/app.py", "");
  const auto config = config_for_run(serve("flaskr"), folder.path("work"));
  REQUIRE(config);
  CHECK(config->apps.front().tree == folder.path("work/flaskr"));
}

TEST_CASE("a path that lacks its suffix is that of the file") {
  ConfigFolder folder;
  folder.file("work/pkg/web.py", "");
  folder.file("work/pkg/sub/__init__.py", "");
  for (const char* target : {"pkg/web", "./pkg/web:make"}) {
    const auto config = config_for_run(serve(target), folder.path("work"));
    REQUIRE(config);
    CHECK(config->apps.front().tree == folder.path("work/pkg"));
    CHECK(config->apps.front().entry == "web.py");
    CHECK(config->apps.front().name == "web");
    CHECK(config->apps.front().single_file_allowed);
  }
  CHECK(contains(run_error(serve("pkg/nothing"), folder.path("work")).message, "pkg/nothing: no such file"));
  run_error(serve("pkg.py/web"), folder.path("work"));
}

TEST_CASE("what is not there is an error that lists what was looked for") {
  ConfigFolder folder;
  folder.folder("work/empty");
  const Error module = run_error(serve("pkg.site:app"), folder.path("work"));
  CHECK(contains(module.message, folder.path("work/pkg/site.py")));
  CHECK(contains(module.message, folder.path("work/pkg/site/__init__.py")));
  CHECK(contains(run_error(serve("app.py"), folder.path("work")).message, "app.py: no such file or folder"));
  CHECK(contains(run_error(serve("empty"), folder.path("work")).message, "looked for app.py"));
  run_error(serve(""), folder.path("work"));
  run_error(serve(":app"), folder.path("work"));
}

TEST_CASE("several candidates in a folder must be told apart") {
  ConfigFolder folder;
  folder.file("work/app.py", "");
  folder.file("work/wsgi.py", "");
  const Error error = run_error(serve("."), folder.path("work"));
  CHECK(contains(error.message, "several entry points: app.py, wsgi.py"));
  CHECK(contains(error.hint, "moultd run"));
}

TEST_CASE("a file whose name has a colon is served as it is written") {
  ConfigFolder folder;
  folder.file("work/a:b.py", "");
  const auto config = config_for_run(serve("a:b.py"), folder.path("work"));
  REQUIRE(config);
  CHECK(config->apps.front().entry == "a:b.py");
  CHECK(config->apps.front().name == "a-b");
}

TEST_CASE("options follow the rules of the config") {
  ConfigFolder folder;
  folder.file("work/app.py", "");
  folder.file("work/py", "#!/bin/sh\n", 0700);
  RunOptions options = serve("app.py");
  options.listen = {"unix:s.sock"};
  options.threads = 2;
  options.python = "./py";
  options.name = "shop";
  const auto config = config_for_run(options, folder.path("work"));
  REQUIRE(config);
  CHECK(config->daemon.listen.front().unix_path == folder.path("work/s.sock"));
  CHECK(config->apps.front().threads == 2);
  CHECK(config->apps.front().python == folder.path("work/py"));
  CHECK(config->apps.front().name == "shop");

  options.name = "Not A Name";
  CHECK(contains(run_error(options, folder.path("work")).message, "--name"));
  options = serve("app.py");
  options.listen = {"8000"};
  CHECK(contains(run_error(options, folder.path("work")).message, "--listen"));
  options = serve("app.py:two words");
  CHECK(contains(run_error(options, folder.path("work")).message, "CALLABLE"));
}

TEST_CASE("every option of run has the rules of its setting") {
  ConfigFolder folder;
  folder.file("work/app.py", "");
  folder.folder("work/assets");
  folder.file("work/.env", "KEY=value\n");
  RunOptions options = serve("app.py");
  options.isolation = "process";
  options.routes = {"example.org", "/shop"};
  options.static_folders = {"/static/=assets", "/a/=./assets"};
  options.env_file = ".env";
  options.debug = true;
  const auto config = config_for_run(options, folder.path("work"));
  REQUIRE(config);
  const AppConfig& app = config->apps.front();
  CHECK(app.isolation == Isolation::process);
  CHECK(app.routes == std::vector<RoutePattern>{{"example.org", ""}, {"", "/shop"}});
  CHECK(app.static_files.at("/static/") == folder.path("work/assets"));
  CHECK(app.static_files.size() == 2);
  CHECK(app.env_file == folder.path("work/.env"));
  CHECK(app.debug);
  CHECK(config->daemon.access_log);
  options.quiet = true;
  CHECK_FALSE(config_for_run(options, folder.path("work"))->daemon.access_log);

  struct Wrong {
    RunOptions options = serve("app.py");
    std::string says;
  };
  std::vector<Wrong> wrong(6);
  wrong[0].options.isolation = "thread";
  wrong[0].says = "--isolation";
  wrong[1].options.routes = {"/a", "/a"};
  wrong[1].says = "--route";
  wrong[2].options.static_folders = {"/static/"};
  wrong[2].says = "no URL=DIR";
  wrong[3].options.static_folders = {"/static/=nowhere"};
  wrong[3].says = "work/nowhere";
  wrong[4].options.env_file = "nowhere.env";
  wrong[4].says = "--env-file";
  wrong[5].options.venv = "assets";
  wrong[5].says = "--venv";
  for (const Wrong& one : wrong)
    CHECK(contains(run_error(one.options, folder.path("work")).message, one.says));
  folder.file("work/.env", "# \nKEY value\n");
  options = serve("app.py");
  options.env_file = ".env";
  const Error error = run_error(options, folder.path("work"));
  CHECK(error.file == folder.path("work/.env"));
  CHECK(error.line == 2);
}

TEST_CASE("run takes the virtual environment of the folder that it is called in") {
  ConfigFolder folder;
  folder.file("work/src/app.py", "");
  folder.file("work/.venv/pyvenv.cfg", "home = /usr/bin\n");
  folder.file("work/.venv/bin/python", "#!/bin/sh\n", 0700);
  folder.file("work/mine/pyvenv.cfg", "home = /usr/bin\n");
  folder.file("work/mine/bin/python", "#!/bin/sh\n", 0700);
  RunOptions options = serve("src/app.py");
  const auto config = config_for_run(options, folder.path("work"));
  REQUIRE(config);
  CHECK(config->apps.front().venv == folder.path("work/.venv"));
  options.venv = "mine";
  CHECK(config_for_run(options, folder.path("work"))->apps.front().venv == folder.path("work/mine"));
  // The mend is told before anything is started.
  std::filesystem::remove(folder.path("work/.venv/bin/python"));
  std::filesystem::create_symlink("/nowhere/python3", folder.path("work/.venv/bin/python"));
  CHECK(contains(run_error(serve("src/app.py"), folder.path("work")).hint, "python3 -m venv --clear"));
}
