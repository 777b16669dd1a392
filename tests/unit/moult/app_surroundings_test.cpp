#include "daemon/moult/app_surroundings.h"

#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>

#include <filesystem>

using namespace moult;

namespace {

PythonInfo python() {
  PythonInfo info;
  info.major = 3;
  info.minor = 11;
  return info;
}

}  // namespace

TEST_CASE("the variables of an env file are read, and a mistake in it is a fault with its line") {
  TempTree temp;
  AppConfig app;
  app.tree = temp.root();
  temp.write("blog.env", "A=1\n");
  app.env_file = app.tree + "/blog.env";
  CHECK(surroundings_of(app, python()).file_environment.at("A") == "1");
  temp.write("blog.env", "# \nA\n");
  const auto fault = surroundings_of(app, python()).fault;
  REQUIRE(fault);
  CHECK(fault->file == app.env_file);
  CHECK(fault->line == 2);
  std::filesystem::remove(app.env_file);
  CHECK(surroundings_of(app, python()).fault);
}

TEST_CASE("an .env that no setting names is named and not read") {
  TempTree temp;
  AppConfig app;
  app.tree = temp.root();
  CHECK(surroundings_of(app, python()).unread_env_file.empty());
  temp.write(".env", "A=1\n");
  const AppSurroundings found = surroundings_of(app, python());
  CHECK(found.unread_env_file == app.tree + "/.env");
  CHECK(found.file_environment.empty());
  app.env_file = app.tree + "/.env";
  CHECK(surroundings_of(app, python()).unread_env_file.empty());
}

TEST_CASE("another file behind the path of a python is another Python") {
  TempTree temp;
  AppConfig app;
  app.tree = temp.root();
  temp.write("one", "");
  temp.write("two", "");
  app.python = app.tree + "/python";
  std::filesystem::create_symlink("one", app.python);
  const std::string before = surroundings_of(app, python()).python_file;
  CHECK(before == surroundings_of(app, python()).python_file);
  std::filesystem::remove(app.python);
  std::filesystem::create_symlink("two", app.python);
  CHECK(before != surroundings_of(app, python()).python_file);
}

TEST_CASE("a virtual environment of another version is a fault") {
  TempTree temp;
  AppConfig app;
  app.tree = temp.root();
  app.venv = app.tree + "/venv";
  temp.write("venv/pyvenv.cfg", "home = /usr/bin\n");
  temp.write("venv/bin/python", "");
  temp.write("venv/lib/python3.10/site-packages/tool.py", "");
  CHECK(surroundings_of(app, python()).fault);
  temp.write("venv/lib/python3.11/site-packages/tool.py", "");
  CHECK_FALSE(surroundings_of(app, python()).fault);
}
