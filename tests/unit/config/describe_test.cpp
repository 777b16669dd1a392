#include "daemon/config/describe.h"

#include "config_folder.h"

#include <fmt/format.h>

using namespace moult;

namespace {

std::string toml(const std::vector<SettingText>& lines) {
  std::string text;
  for (const auto& [key, value] : lines) text += fmt::format("{} = {}\n", key, value);
  return text;
}

}  // namespace

TEST_CASE("what describe writes loads as the same config") {
  ConfigFolder folder;
  folder.file("config/moult.toml",
              "listen = [\"127.0.0.1:8001\", { unix = \"s\", mode = \"0600\", group = \"g\" }]\n");
  folder.app("blog",
             "routes = [\"/\", \"a.org/x\"]\nenv = { A = \"a \\\"quoted\\\" one\" }\nwarmup = \"/\"\n"
             "static = { \"/s/\" = \"../../trees\" }\nsettle = \"70ms\"\nmax_body = 12345\n");
  const auto first = load_config(folder.config());
  REQUIRE(first);
  folder.file("config/moult.toml", toml(describe_daemon(first->daemon)));
  folder.file("config/apps/blog.toml", toml(describe_app(first->apps.front())));
  const auto again = load_config(folder.config());
  if (!again) {
    for (const Error& error : again.error()) MESSAGE(describe(error));
  }
  REQUIRE(again);
  CHECK(*again == *first);
}

TEST_CASE("an untouched app is described with its defaults") {
  const auto lines = describe_app(AppConfig{});
  const auto value = [&](const std::string& key) {
    const auto found =
        std::find_if(lines.begin(), lines.end(), [&](const auto& line) { return line.first == key; });
    return found == lines.end() ? std::string("(none)") : found->second;
  };
  CHECK(value("threads") == "4");
  CHECK(value("gil") == "\"auto\"");
  CHECK(value("drain_timeout") == "\"5min\"");
  CHECK(value("max_body") == "\"64MiB\"");
  CHECK(value("reload") == "\"on\"");
  CHECK(value("env") == "{}");
}

TEST_CASE("no key is there twice and the aliases are known") {
  for (std::vector<std::string> keys : {app_keys(), daemon_keys()}) {
    std::sort(keys.begin(), keys.end());
    CHECK(std::adjacent_find(keys.begin(), keys.end()) == keys.end());
  }
  const auto keys = app_keys();
  CHECK(std::count(keys.begin(), keys.end(), "route") == 1);
}
