// What a disk can do to the state of an app between two runs of the daemon, and while it runs.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace moult::testing;
namespace fs = std::filesystem;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::vector<fs::path> files_below(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

// A way to spoil a file.
struct Damage {
  const char* name;
  std::string (*spoil)(std::string content);
};
const Damage kDamages[] = {
    {"emptied", [](std::string) { return std::string(); }},
    {"cut in half", [](std::string content) { return content.substr(0, content.size() / 2); }},
    {"other bytes of the same size",
     [](std::string content) {
       for (char& c : content) c = static_cast<char>(c ^ 0x15);
       return content;
     }},
    {"one bit turned",
     [](std::string content) {
       if (!content.empty()) content[content.size() / 2] ^= 1;
       return content;
     }},
    {"zeroes", [](std::string content) { return std::string(content.size(), '\0'); }},
    {"brackets", [](std::string) { return std::string(300'000, '['); }},
};

// A daemon that serves "one" by a pinned roll-back while the disk holds "two", ended.
struct Pinned {
  DaemonProcess daemon;
  AppTree app = daemon.add_app("blog");
  std::string state = daemon.state_folder() + "/apps/blog";
  Pinned() {
    app.write("app.py", answers("one"));
    daemon.start();
    app.write("app.py", answers("two"));
    REQUIRE(daemon.wait_for_body("/", "two"));
    REQUIRE(daemon.call("rollback", R"({"app":"blog"})").ok());
    REQUIRE(daemon.get("/").body == "one");
    REQUIRE(daemon.stop() == 0);
  }
};

}  // namespace

TEST_CASE("a pinned snapshot that is damaged at equal size gives way to the disk, and that is said") {
  Pinned pinned;
  for (const fs::path& path : files_below(pinned.state + "/objects")) {
    std::string content = content_of(path);
    if (!contains(content, "one")) continue;
    content.replace(content.find("one"), 3, "uno");
    overwrite(path, content);
  }
  pinned.daemon.start_listening();
  CHECK(pinned.daemon.wait_for_body("/", "two"));
  CHECK(pinned.daemon.logs("/app.py is damaged"));
  CHECK(pinned.daemon.logs("serving what is on the disk, and the pin is given up"));
  CHECK_FALSE(pinned.daemon.status("blog").has("/pinned_generation"));
}

TEST_CASE("whatever is damaged of an app's state, the next daemon serves code that was good") {
  const std::size_t count = [] {
    const Pinned pinned;
    return files_below(pinned.state).size();
  }();
  REQUIRE(count >= 5);
  // Each file once, with the damages in turn: the kinds of files are fewer than those of damages.
  for (std::size_t i = 0; i < std::max<std::size_t>(count, std::size(kDamages)); ++i) {
    Pinned pinned;
    const std::vector<fs::path> files = files_below(pinned.state);
    const fs::path& victim = files[i % files.size()];
    const Damage& damage = kDamages[i % std::size(kDamages)];
    CAPTURE(victim.string());
    CAPTURE(damage.name);
    overwrite(victim, damage.spoil(content_of(victim)));
    pinned.daemon.start_listening();
    CHECK(eventually([&] { return pinned.daemon.get("/").status == 200; }));
    pinned.app.write("app.py", answers("three"));
    CHECK(pinned.daemon.wait_for_body("/", "three"));
    CHECK(pinned.daemon.stop() == 0);
  }
}

TEST_CASE("an object that was damaged while the daemon runs is written anew from the disk") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", answers("one"));
  app.write("part.py", "text = 'part'\n");
  daemon.start();
  for (const fs::path& path : files_below(daemon.state_folder() + "/apps/blog/objects")) {
    const std::string content = content_of(path);
    overwrite(path, std::string(content.size(), '#'));
  }
  CHECK(daemon.ctl({"reload", "blog"}).status == 0);
  CHECK(daemon.get("/").body == "one");
}

TEST_CASE("logs and state that cannot be written are told of, by an event, the status and the doctor") {
  DaemonProcess daemon;
  daemon.add_app("blog").write("app.py", "print('loaded')\n" + answers("one"));
  daemon.start();
  const std::string state = daemon.state_folder() + "/apps/blog";
  CHECK(contains(daemon.ctl({"doctor"}).output, daemon.state_folder() + ": "));
  fs::remove(state + "/app.log");
  fs::create_directory(state + "/app.log");
  CHECK(eventually([&] {
    daemon.ctl({"reload", "blog"});
    return contains(daemon.call("doctor").raw(), "the log of blog cannot be written");
  }));
  CHECK(contains(daemon.call("events", R"({"app":"blog","filter":["app.unwritable"]})").raw(),
                 "Is a directory"));
  CHECK(contains(daemon.status("blog").raw(), "the app's log cannot be written"));
  fs::remove_all(state);
  overwrite(state, "no folder");
  CHECK(contains(daemon.call("doctor").raw(), "cannot be written: " + state));
  CHECK(daemon.get("/").body == "one");
}

TEST_CASE("code that was only checked or refused leaves a bounded number of files") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "reload = \"off\"\n");
  app.write("app.py", answers("one"));
  daemon.start();
  for (int i = 0; i < 50; ++i) {
    app.write("app.py", answers("text " + std::to_string(i)));
    CHECK(daemon.call("check", R"({"app":"blog"})").ok());
  }
  CHECK(eventually([&] { return files_below(daemon.state_folder()).size() < 60; }));
}

TEST_CASE("pipes in the place of an app's files hold up neither it nor what serves when it comes") {
  DaemonProcess daemon;
  daemon.add_app("one", "routes = [\"/one\"]\n").write("app.py", answers("one"));
  daemon.start();
  const fs::path folder = fs::path(daemon.state_folder()) / "apps/two";
  fs::create_directories(folder);
  for (const char* name : {"state.json", "app.log"}) REQUIRE(::mkfifo((folder / name).c_str(), 0600) == 0);
  daemon.add_app("two", "routes = [\"/two\"]\n").write("app.py", answers("two"));
  CHECK(daemon.call("config.reload").ok());
  CHECK(daemon.wait_for_body("/two", "two"));
  CHECK(daemon.get("/one").body == "one");
  CHECK(daemon.call("logs", R"({"app":"two"})").ok());
}
