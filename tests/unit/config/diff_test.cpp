#include "daemon/config/diff.h"

#include <doctest/doctest.h>

using namespace moult;

namespace {

Config config_of(std::vector<std::string> names) {
  Config config;
  config.daemon.listen = {ListenAddress{"127.0.0.1", 8000, {}}};
  for (std::string& name : names) {
    AppConfig app;
    app.name = std::move(name);
    config.apps.push_back(std::move(app));
  }
  return config;
}

AppChange change_by(void (*edit)(AppConfig&)) {
  const Config old = config_of({"blog"});
  Config now = old;
  edit(now.apps.front());
  const ConfigChange change = diff(old, now);
  REQUIRE(change.changed.size() == 1);
  return change.changed.front();
}

}  // namespace

TEST_CASE("the same config is no change") {
  const Config config = config_of({"a", "b"});
  const ConfigChange change = diff(config, config);
  CHECK(change.empty());
  CHECK_FALSE(change.listeners);
  CHECK(summary(change) == "nothing changed");
}

TEST_CASE("apps that came and went are named") {
  const ConfigChange change = diff(config_of({"a", "b", "d"}), config_of({"b", "c", "e"}));
  CHECK(change.added == std::vector<std::string>{"c", "e"});
  CHECK(change.removed == std::vector<std::string>{"a", "d"});
  CHECK(change.changed.empty());
  CHECK(summary(change) == "2 added (c, e), 2 removed (a, d)");
}

TEST_CASE("a change says what it asks for") {
  const AppChange env = change_by([](AppConfig& app) { app.env.emplace("A", "1"); });
  CHECK(env.new_generation);
  CHECK_FALSE(env.routes);
  CHECK_FALSE(env.limits);
  CHECK(env.keys == std::vector<std::string>{"env"});

  const AppChange route = change_by([](AppConfig& app) { app.routes = {{"", "/x"}}; });
  CHECK(route.routes);
  CHECK_FALSE(route.new_generation);

  const AppChange watch = change_by([](AppConfig& app) { app.ignore = {"*.tmp"}; });
  CHECK(watch.watching);
  CHECK_FALSE(watch.new_generation);

  const AppChange queue = change_by([](AppConfig& app) {
    app.queue = 5;
    app.threads = 9;
  });
  CHECK(queue.limits);
  CHECK(queue.new_generation);
  CHECK(queue.keys == std::vector<std::string>{"threads", "queue"});
}

TEST_CASE("what an interpreter is told of calls needs a new one, what the daemon does about hooks does not") {
  CHECK(change_by([](AppConfig& app) { app.preload = {"shop"}; }).new_generation);
  CHECK(change_by([](AppConfig& app) { app.exports = {"shop:total"}; }).new_generation);
  CHECK(change_by([](AppConfig& app) { app.max_payload = 1024; }).new_generation);
  CHECK(change_by([](AppConfig& app) { app.scratch_interpreters = 1; }).new_generation);
  const AppChange hooks = change_by([](AppConfig& app) {
    app.adopt = AdoptPolicy::required;
    app.handoff_timeout = Milliseconds(1000);
  });
  CHECK_FALSE(hooks.new_generation);
  CHECK(hooks.keys == std::vector<std::string>{"adopt", "handoff_timeout"});
}

TEST_CASE("the file that an app came from is no setting") {
  const Config old = config_of({"blog"});
  Config now = old;
  now.apps.front().source_file = "/elsewhere/blog.toml";
  CHECK(diff(old, now).empty());
}

TEST_CASE("listeners change with the daemon's or an app's addresses") {
  const Config old = config_of({"a"});
  Config now = old;
  now.apps.front().listen = {ListenAddress{"127.0.0.1", 9000, {}}};
  CHECK(diff(old, now).listeners);
  CHECK(listeners_of(now).size() == 2);
  CHECK(listeners_of(now, now.apps.front()).front().port == 9000);
  CHECK(listeners_of(old, old.apps.front()).front().port == 8000);

  Config shared = old;
  shared.apps.front().listen = old.daemon.listen;
  const ConfigChange change = diff(old, shared);
  CHECK_FALSE(change.listeners);
  CHECK(change.changed.front().routes);

  Config moved = old;
  moved.daemon.listen.front().port = 8001;
  moved.daemon.idle_timeout = Milliseconds(1);
  const ConfigChange daemon = diff(old, moved);
  CHECK(daemon.listeners);
  CHECK(daemon.daemon_keys == std::vector<std::string>{"listen", "idle_timeout"});
  CHECK_FALSE(daemon.empty());
}
