#include "daemon/apps/config_watch.h"

#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>

#include <filesystem>

using namespace moult;

namespace {

// A config folder, TEMP/config, that is watched. Nothing sleeps: the loop runs until the watch tells of a
// change, or until a deadline that no passing case reaches.
struct Watched {
  TempTree temp;
  uv::Loop loop;
  Inotify inotify{loop};
  std::unique_ptr<ConfigWatch> config;
  int told = 0;

  Watched() {
    temp.write("config/moult.toml", "");
    temp.write("config/apps/blog.toml", "");
  }
  void start() {
    config = std::make_unique<ConfigWatch>(loop, inotify, temp.path("config"), [this] {
      ++told;
      loop.stop();
    });
  }
  bool tells() {
    const int before = std::exchange(told, 0);
    CHECK(before == 0);  // nobody touched anything since
    bool late = false;
    uv::Timer deadline(loop);
    deadline.start(Milliseconds(10'000), [&] {
      late = true;
      loop.stop();
    });
    while (told == 0 && !late) loop.run();
    return std::exchange(told, 0) > 0;
  }
};

}  // namespace

TEST_CASE("a config file that is written, added or removed is told") {
  Watched watched;
  watched.start();
  watched.temp.write("config/moult.toml", "#");
  CHECK(watched.tells());
  watched.temp.replace("config/apps/blog.toml", "#");
  CHECK(watched.tells());
  watched.temp.write("config/apps/shop.toml", "");
  CHECK(watched.tells());
  watched.temp.remove("config/apps/shop.toml");
  CHECK(watched.tells());
}

TEST_CASE("a change of what a symlinked config file leads to is told, through a chain as well") {
  Watched watched;
  watched.temp.write("repo/deploy/shop.toml", "");
  watched.temp.write("repo/moult.toml", "");
  watched.temp.link("../../repo/current.toml", "config/apps/shop.toml");
  watched.temp.link("deploy/shop.toml", "repo/current.toml");
  watched.temp.remove("config/moult.toml");
  watched.temp.link(watched.temp.path("repo/moult.toml"), "config/moult.toml");
  watched.start();
  watched.temp.write("repo/deploy/shop.toml", "#");
  CHECK(watched.tells());
  watched.temp.replace("repo/deploy/shop.toml", "##");
  CHECK(watched.tells());
  watched.temp.write("repo/moult.toml", "#");
  CHECK(watched.tells());
  watched.temp.write("repo/deploy/next.toml", "");
  watched.temp.link("deploy/next.toml", "repo/next");
  std::filesystem::rename(watched.temp.path("repo/next"), watched.temp.path("repo/current.toml"));
  CHECK(watched.tells());
  watched.temp.write("repo/deploy/next.toml", "#");  // where the chain leads now
  CHECK(watched.tells());
}

TEST_CASE("a symlinked apps folder, and one that comes to lead elsewhere") {
  Watched watched;
  watched.temp.remove("config/apps");
  watched.temp.write("one/blog.toml", "");
  watched.temp.write("two/blog.toml", "");
  watched.temp.link("../one", "config/apps");
  watched.start();
  watched.temp.write("one/blog.toml", "#");
  CHECK(watched.tells());
  watched.temp.write("one/shop.toml", "");
  CHECK(watched.tells());
  watched.temp.link("../two", "config/beside");
  std::filesystem::rename(watched.temp.path("config/beside"), watched.temp.path("config/apps"));
  CHECK(watched.tells());
  watched.temp.write("two/blog.toml", "#");
  CHECK(watched.tells());
}

TEST_CASE("a config file whose link leads nowhere is told when there is something") {
  Watched watched;
  watched.temp.folder("repo");
  watched.temp.link("../../repo/later/shop.toml", "config/apps/shop.toml");
  watched.start();
  watched.temp.write("repo/later/shop.toml", "");
  CHECK(watched.tells());
  watched.temp.remove("repo/later");
  CHECK(watched.tells());
}

TEST_CASE("a config folder that is a symlink itself") {
  Watched watched;
  std::filesystem::rename(watched.temp.path("config"), watched.temp.path("real"));
  watched.temp.link("real", "config");
  watched.start();
  watched.temp.write("real/apps/blog.toml", "#");
  CHECK(watched.tells());
}
