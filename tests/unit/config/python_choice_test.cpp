#include "daemon/config/python_choice.h"

#include "config_folder.h"

using namespace moult;

namespace {

// Folders that look like what python3 -m venv, conda and pyenv make.
class Pythons : public ConfigFolder {
 public:
  std::string venv(const std::string& name, const std::string& version = "3.11",
                   const std::string& settings = "") {
    file(name + "/pyvenv.cfg", "home = /usr/bin\n" + settings);
    folder(name + "/lib/python" + version + "/site-packages");
    file(name + "/bin/python", "#!/bin/sh\n", 0700);
    return path(name);
  }
  std::string conda(const std::string& name) {
    folder(name + "/conda-meta");
    file(name + "/bin/python", "#!/bin/sh\n", 0700);
    return path(name);
  }
  AppConfig app() {
    AppConfig app;
    app.tree = folder("tree");
    return app;
  }
  void link(const std::string& target, const std::string& name) {
    std::filesystem::remove(path(name));
    std::filesystem::create_symlink(target, path(name));
  }
};

AppConfig chosen(AppConfig app, const PythonClues& clues) {
  choose_python(app, clues);
  return app;
}

}  // namespace

TEST_CASE("a python that lies in a virtual environment stands for it") {
  Pythons there;
  AppConfig app = there.app();
  app.python = there.venv("env") + "/bin/python";
  app = chosen(app, {});
  CHECK(app.venv == there.path("env"));
  CHECK(app.python == there.path("env/bin/python"));
  CHECK(contains(app.python_note, "virtual environment " + there.path("env")));
  // By the path that was written: a link to it from elsewhere is the Python behind it.
  there.folder("bin");
  there.link(there.path("env/bin/python"), "bin/python");
  app.venv.clear();
  app.python = there.path("bin/python");
  CHECK(chosen(app, {}).venv.empty());
}

TEST_CASE("what is written comes before what is activated, and that before what lies in the tree") {
  Pythons there;
  AppConfig app = there.app();
  const PythonClues clues{there.venv("active"), there.path("bin"), {}, {there.path("tree")}};
  there.venv("on-path");
  there.folder("bin");
  there.link(there.path("on-path/bin/python"), "bin/python3");
  CHECK(chosen(app, {{}, clues.search, {}, clues.folders}).python == there.path("bin/python3"));
  there.venv("tree/venv");
  CHECK(chosen(app, {{}, clues.search, {}, clues.folders}).venv == there.path("tree/venv"));
  there.venv("tree/.venv");
  CHECK(chosen(app, {{}, clues.search, {}, clues.folders}).venv == there.path("tree/.venv"));
  CHECK(chosen(app, clues).venv == there.path("active"));
  app.python = there.venv("named") + "/bin/python";
  CHECK(chosen(app, clues).venv == there.path("named"));
  app.venv = there.venv("told");
  CHECK(chosen(app, clues).venv == there.path("told"));
}

TEST_CASE("a python that is named and lies in no environment is taken without any") {
  Pythons there;
  AppConfig app = there.app();
  there.venv("tree/.venv");
  app.python = there.file("plain/python3", "#!/bin/sh\n", 0700);
  app = chosen(app, {there.venv("active"), {}, {}, {there.path("tree")}});
  CHECK(app.venv.empty());
  CHECK(app.python == there.path("plain/python3"));
}

TEST_CASE("the apps of a daemon take .venv of their tree and nothing that its shell has activated") {
  Pythons there;
  there.app();
  there.venv("trees/blog/.venv", "3.11", "include-system-site-packages = true\n");
  static_cast<ConfigFolder&>(there).app("blog");
  const auto config = load_config(there.config());
  REQUIRE(config);
  CHECK(config->apps.front().venv == there.path("trees/blog/.venv"));
  CHECK(config->apps.front().venv_sees_system);
  CHECK(contains(config->apps.front().python_note, "found as .venv"));
}

TEST_CASE("whether a virtual environment sees the system's packages is read from its pyvenv.cfg") {
  CHECK(sees_system_packages("Include-System-Site-Packages=TRUE"));
  CHECK(
      sees_system_packages("include-system-site-packages = false\ninclude-system-site-packages = true\r\n"));
  CHECK_FALSE(sees_system_packages("include-system-site-packages = false\n"));
  CHECK_FALSE(sees_system_packages("# include-system-site-packages = true\nhome = /usr/bin"));
  CHECK_FALSE(sees_system_packages(""));
}

TEST_CASE("a conda environment is a python of its own") {
  Pythons there;
  AppConfig app = there.app();
  app.venv = there.conda("conda");
  app = chosen(app, {});
  CHECK(app.venv.empty());
  CHECK(app.python == there.path("conda/bin/python"));
  CHECK(contains(app.python_note, "conda environment " + there.path("conda")));
  AppConfig by_python = there.app();
  by_python.python = there.path("conda/bin/python");
  CHECK(contains(chosen(by_python, {}).python_note, "conda environment"));
}

TEST_CASE("pyenv's shim stands for the version that the tree asks for") {
  Pythons there;
  AppConfig app = there.app();
  for (const char* version : {"3.11.7", "3.12.2", "3.12.10", "web"})
    there.file(std::string("pyenv/versions/") + version + "/bin/python3", "#!/bin/sh\n", 0700);
  app.python = there.file("pyenv/shims/python3", "#!/usr/bin/env bash\n", 0700);
  const auto version_of = [&](const PythonClues& clues) {
    const std::string found = chosen(app, clues).python;
    return found.substr(there.path("pyenv/versions/").size());
  };
  there.file("pyenv/version", "3.11.7\n");
  CHECK(version_of({}) == "3.11.7/bin/python3");
  there.file(".python-version", "# ours\n3.12\n");  // above the tree; the newest of them
  CHECK(version_of({}) == "3.12.10/bin/python3");
  there.file("tree/.python-version", "9.9 web\n");
  CHECK(version_of({}) == "web/bin/python3");
  CHECK(version_of({{}, {}, "3.12.2", {}}) == "3.12.2/bin/python3");
  // pyenv-virtualenv makes environments among the versions.
  there.file("pyenv/versions/web/pyvenv.cfg", "home = /usr/bin\n");
  CHECK(chosen(app, {}).venv == there.path("pyenv/versions/web"));
  there.file("tree/.python-version", "9.9\n");  // it says so itself when it is asked
  CHECK(chosen(app, {}).python == app.python);
}

TEST_CASE("a virtual environment that cannot work is told with what mends it") {
  Pythons there;
  AppConfig app = there.app();
  app.venv = there.venv("env");
  CHECK_FALSE(venv_fault(app, "3.11"));
  CHECK_FALSE(venv_fault(app, "?"));
  SUBCASE("its base was upgraded") {
    const auto fault = venv_fault(app, "3.13");
    REQUIRE(fault);
    CHECK(contains(fault->message, "was made with Python 3.11, and its python is 3.13 now"));
    CHECK(contains(fault->hint, "python3 -m venv --upgrade " + app.venv));
    there.folder("env/lib/python3.13/site-packages");
    CHECK_FALSE(venv_fault(app, "3.13"));
  }
  SUBCASE("its base was removed") {
    there.link("/nowhere/python3.11", "env/bin/python3");
    there.link("python3", "env/bin/python");
    for (const char* version : {"", "?"}) {
      const auto fault = venv_fault(app, version);
      REQUIRE(fault);
      CHECK(contains(fault->message, "bin/python leads to /nowhere/python3.11"));
      CHECK(contains(fault->hint, "python3 -m venv --clear " + app.venv));
    }
    there.file("env/pyvenv.cfg", "home = /usr/bin\nuv = 0.5.1\n");
    CHECK(contains(venv_fault(app, "?")->hint, "uv venv"));
  }
  SUBCASE("its base was moved and its python is a copy") {
    there.file("env/pyvenv.cfg", "home = /nowhere/bin\n");
    CHECK_FALSE(venv_fault(app, "3.11"));  // it works all the same
    CHECK(contains(venv_fault(app, "")->message, "it was in /nowhere/bin"));
  }
  SUBCASE("it is none, or not there") {
    std::filesystem::remove(there.path("env/bin/python"));
    CHECK(contains(venv_fault(app, "?")->message, "has no bin/python"));
    there.file("env/pyvenv.cfg", "");
    CHECK(contains(venv_fault(app, "?")->message, "no `home`"));
    std::filesystem::remove(there.path("env/pyvenv.cfg"));
    CHECK(contains(venv_fault(app, "?")->message, "no pyvenv.cfg"));
    std::filesystem::remove_all(app.venv);
    CHECK(contains(venv_fault(app, "?")->message, "is not there"));
  }
  SUBCASE("the python that was named is another") {
    app.python = there.file("plain/python3", "#!/bin/sh\n", 0700);
    CHECK(contains(venv_fault(app, "3.13")->hint, "leave `python` out"));
  }
}

TEST_CASE("a config with a virtual environment that has lost its Python is valid") {
  Pythons there;
  there.venv("env");
  there.link("/nowhere/python3.11", "env/bin/python");
  static_cast<ConfigFolder&>(there).app("blog", "route = \"/b\"\npython = \"../../env/bin/python\"\n");
  static_cast<ConfigFolder&>(there).app("shop", "venv = \"../../env\"\n");
  const auto config = load_config(there.config());
  REQUIRE(config);
  CHECK(config->apps.front().venv == there.path("env"));
}
