// Upgrades of packages in a virtual environment.

#include "tests/integration/noticing.h"
#include "tests/support/raw_file.h"
#include "tests/support/skip.h"

using namespace moult::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

// An app with a virtual environment of its own; it answers with the version of a package there, and
// with its process.
struct Shop : Noticed {
  fs::path venv = daemon.folder().path() / "venv";

  explicit Shop(bool sees_system = false) {
    std::vector<std::string> command{test_python(), "-m", "venv", "--without-pip", venv.string()};
    if (sees_system) command.push_back("--system-site-packages");
    run_in(*this, app.path(), command);
    app.write("app.py",
              "import os, tinypack\n"
              "def application(environ, start_response):\n"
              "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
              "    return [f'{tinypack.VERSION} {os.getpid()}'.encode()]\n");
    daemon.write_app_config("blog", app.path(), "venv = " + json_text(venv.string()));
  }

  fs::path site() const {
    const auto [major, minor] = python_version();
    return venv / "lib" / ("python" + std::to_string(major) + "." + std::to_string(minor)) / "site-packages";
  }
  std::string version() const { return body().substr(0, 3); }
  std::string process() const { return body().substr(4); }
};

std::string info_folder(const std::string& version) { return "tinypack-" + version + ".dist-info"; }

// What a wheel of that version holds, unpacked.
void write_package(const fs::path& folder, const std::string& version) {
  const std::string info = info_folder(version);
  fs::create_directories(folder / "tinypack");
  fs::create_directories(folder / info);
  put(folder / "tinypack/part.py", "VERSION = '" + version + "'\n");
  put(folder / "tinypack/__init__.py", "from tinypack.part import VERSION\n");
  put(folder / info / "METADATA", "Metadata-Version: 2.1\nName: tinypack\nVersion: " + version + "\n");
  put(folder / info / "WHEEL",
      "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
  std::string record = "tinypack/__init__.py,,\ntinypack/part.py,,\n";
  for (const char* name : {"METADATA", "WHEEL", "RECORD"}) record += info + "/" + name + ",,\n";
  put(folder / info / "RECORD", record);
}

// With its byte code, which Python would take for that of a source of the same size and second.
void remove_package(const fs::path& folder, const std::string& version) {
  fs::remove_all(folder / "tinypack");
  fs::remove_all(folder / info_folder(version));
}

}  // namespace

TEST_CASE("a package that is upgraded in pip's steps comes in a fresh host, in one generation") {
  Shop shop;
  const fs::path site = shop.site();
  write_package(site, "1.0");
  shop.start();
  REQUIRE(shop.version() == "1.0");
  const std::string process = shop.process();

  // pip moves what it replaces to names with "~" before it installs, and removes that in the end.
  fs::rename(site / "tinypack", site / "~inypack");
  fs::rename(site / info_folder("1.0"), site / ("~" + info_folder("1.0").substr(1)));
  let_pass(300ms);  // it unpacks: longer than the quiet time of sources
  write_package(site, "2.0");
  fs::remove_all(site / "~inypack");
  fs::remove_all(site / ("~" + info_folder("1.0").substr(1)));
  CHECK(eventually([&] { return shop.version() == "2.0"; }));
  CHECK(shop.process() != process);
  CHECK(shop.generation() == 2);
  CHECK(shop.rejected() == 0);
  shop.rest();
  CHECK(shop.generation() == 3);
}

TEST_CASE("packages of a folder that is a path entry count like those of a virtual environment") {
  Shop shop;
  const fs::path site = shop.daemon.folder().path() / "lib/python3/site-packages";
  write_package(site, "1.0");
  shop.daemon.write_app_config("blog", shop.app.path(), "path = [" + json_text(site.string()) + "]");
  shop.start();
  REQUIRE(shop.version() == "1.0");
  const std::string process = shop.process();
  remove_package(site, "1.0");
  write_package(site, "2.0");
  CHECK(eventually([&] { return shop.version() == "2.0"; }));
  CHECK(shop.process() != process);
  CHECK(shop.rejected() == 0);
}

TEST_CASE("an installed module that is edited in place comes in a fresh host") {
  Shop shop;
  put(shop.site() / "tinypack.py", "VERSION = '1.0'\n");
  shop.start();
  REQUIRE(shop.version() == "1.0");
  const std::string process = shop.process();
  put(shop.site() / "tinypack.py", "VERSION = '2.0'  # mended\n");
  CHECK(eventually([&] { return shop.version() == "2.0"; }));
  CHECK(shop.process() != process);
  CHECK(shop.why("seen", "tinypack.py"));
}

TEST_CASE("packages of the system are watched for a virtual environment that sees them") {
  // The home folder's are among them, and these the test may write.
  Shop shop(true);
  const auto [major, minor] = python_version();
  const fs::path home = shop.daemon.folder().path() / "home";
  const fs::path site =
      home / (".local/lib/python" + std::to_string(major) + "." + std::to_string(minor)) / "site-packages";
  write_package(site, "1.0");
  shop.daemon.write_app_config(
      "blog", shop.app.path(),
      "venv = " + json_text(shop.venv.string()) + "\nenv = { HOME = " + json_text(home.string()) + " }");
  shop.start();
  REQUIRE(shop.version() == "1.0");
  remove_package(site, "1.0");
  write_package(site, "2.0");
  CHECK(eventually([&] { return shop.version() == "2.0"; }));
}

TEST_CASE("pip itself upgrades, downgrades and removes a package, where it is installed") {
  Shop shop;
  const std::vector<std::string> pip{test_python(), "-m", "pip", "--python",
                                     (shop.venv / "bin/python").string()};
  const std::string scratch = shop.daemon.folder().path().string();
  std::vector<std::string> probe = pip;
  probe.push_back("--version");
  if (run(Command{probe, {{"PATH", "/usr/bin:/bin"}}, scratch, {}, {}}, scratch).status != 0) {
    skip("this Python has no pip that knows --python");
    return;
  }
  const auto install = [&](const std::string& version) {
    const fs::path folder = fs::path(scratch) / ("wheel-" + version);
    const std::string wheel = scratch + "/tinypack-" + version + "-py3-none-any.whl";
    write_package(folder, version);
    run_in(shop, folder, {test_python(), "-m", "zipfile", "-c", wheel, "tinypack", info_folder(version)});
    std::vector<std::string> command = pip;
    command.insert(command.end(),
                   {"install", "-q", "--no-index", "--no-deps", "--no-cache-dir", "-U", wheel});
    run_in(shop, scratch, command);
  };
  install("1.0");
  shop.start();
  REQUIRE(shop.version() == "1.0");
  for (const char* version : {"2.0", "1.5"}) {
    const std::string process = shop.process();
    install(version);
    CHECK(eventually([&] { return shop.version() == version; }));
    CHECK(shop.process() != process);
  }
  std::vector<std::string> command = pip;
  command.insert(command.end(), {"uninstall", "-q", "-y", "tinypack"});
  run_in(shop, scratch, command);
  CHECK(eventually([&] { return shop.rejected() > 0; }));
  CHECK(shop.version() == "1.5");  // the old one serves on
}
