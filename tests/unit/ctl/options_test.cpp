#include "control/ctl/options.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace moult::ctl;
using Words = std::vector<std::string>;

namespace {

Options good(const Words& words) {
  auto parsed = parse_options(words);
  if (const auto* quit = std::get_if<Quit>(&parsed)) FAIL(quit->text);
  return std::get<Options>(parsed);
}

Quit quit(const Words& words) {
  auto parsed = parse_options(words);
  REQUIRE(std::holds_alternative<Quit>(parsed));
  return std::get<Quit>(parsed);
}

bool offers(const Words& words, const std::string& candidate) {
  const auto found = complete(words).words;
  return std::find(found.begin(), found.end(), candidate) != found.end();
}

}  // namespace

TEST_CASE("commands, apps and global options are understood in any order") {
  const Options options = good({"reload", "blog", "shop-*", "--json", "-s", "/x/s", "--timeout", "2min"});
  CHECK(options.command == "reload");
  CHECK(options.apps == Words{"blog", "shop-*"});
  CHECK(options.json);
  CHECK(options.socket == "/x/s");
  CHECK(options.timeout == 120.0);
  CHECK(good({"-q", "--no-color", "list"}).quiet);
  CHECK(good({"list"}).apps.empty());
  CHECK(good({"status", "blog"}).apps == Words{"blog"});
}

TEST_CASE("waiting is an option with names, or --no-wait") {
  CHECK(good({"reload", "--wait=drained", "blog"}).wait == "drained");
  CHECK(good({"reload", "--no-wait"}).wait == "none");
  CHECK(good({"reload"}).wait.empty());
  CHECK(quit({"reload", "--wait=later"}).code == 2);
  CHECK(quit({"start", "--wait=switched"}).code == 2);
  CHECK(good({"reload", "--all", "--if-changed"}).only_if_changed);
}

TEST_CASE("diff takes an app and up to two of its generations") {
  const Options options = good({"diff", "blog", "12", "disk", "--stat"});
  CHECK(options.apps == Words{"blog"});
  CHECK(options.sides == Words{"12", "disk"});
  CHECK(options.counts_alone);
  CHECK(good({"diff"}).apps.empty());
  CHECK(good({"diff", "blog", "--name-only"}).names_alone);
  CHECK(quit({"diff", "blog", "1", "2", "3"}).code == 2);
  CHECK(offers({"diff", "blog", ""}, "disk"));
  CHECK_FALSE(offers({"diff", ""}, "disk"));
}

TEST_CASE("imports are sorted by a word") {
  CHECK(good({"imports", "blog", "--gen", "3", "--sort", "self"}).generation == 3u);
  CHECK(good({"imports"}).sort == "total");
  CHECK(quit({"imports", "--sort", "size"}).code == 2);
}

TEST_CASE("deploy has a beginning with a deadline and an end that can be waited for") {
  const Options begin = good({"deploy", "begin", "blog", "--for", "10m"});
  CHECK(begin.command == "deploy begin");
  CHECK(begin.apps == Words{"blog"});
  CHECK(begin.deploy_seconds == 600.0);
  CHECK_FALSE(good({"deploy", "begin", "--all"}).deploy_seconds);
  CHECK(good({"deploy", "end", "blog", "--wait=drained"}).wait == "drained");
  CHECK(quit({"deploy", "begin", "--for", "soon"}).code == 2);
  CHECK(quit({"deploy"}).code == 2);
  CHECK(quit({"deploy", "end", "--for", "10m"}).code == 2);
  CHECK(offers({"deploy", ""}, "begin"));
  CHECK(offers({"deploy", "begin", "--f"}, "--for"));
}

TEST_CASE("logs and events take what peers taught") {
  const Options logs = good({"logs", "-f", "-n", "20", "blog", "--stream", "stderr", "-g", "3"});
  CHECK(logs.follow);
  CHECK(logs.lines == 20);
  CHECK(logs.apps == Words{"blog"});
  CHECK(logs.stream == "stderr");
  CHECK(logs.generation == 3u);
  const Options events =
      good({"events", "--since", "c:1:2", "--filter", "generation.*", "--filter", "host.*", "blog"});
  CHECK(events.since == "c:1:2");
  CHECK(events.filters == Words{"generation.*", "host.*"});
  CHECK(events.apps == Words{"blog"});
}

TEST_CASE("a number or a time that cannot be is refused by the name that was typed") {
  CHECK(quit({"logs", "-g", "-1"}).text.find("-g,--generation: `-1` is no number of a generation") !=
        std::string::npos);
  CHECK(quit({"imports", "-g", "x"}).code == 2);
  CHECK(quit({"rollback", "blog", "-g", "1.5"}).code == 2);
  CHECK(quit({"recycle", "one"}).text.find("HOST: `one` is no number of a host") != std::string::npos);
  CHECK(good({"recycle", "2"}).host == 2u);
  CHECK(quit({"deploy", "begin", "--for", "25h"}).text.find("--for: `25h` is not from 1s to 24h") !=
        std::string::npos);
  CHECK(quit({"deploy", "begin", "--for", "0"}).code == 2);
  CHECK(good({"deploy", "begin", "--for", "24h"}).deploy_seconds == 86'400.0);
}

TEST_CASE("wait with a generation waits for that one, and for nothing else") {
  CHECK(good({"wait", "blog"}).until.empty());
  CHECK(good({"wait", "blog", "-g", "9"}).until == "generation");
  CHECK(good({"wait", "blog", "-g", "9", "--until", "generation"}).generation == 9u);
  CHECK(quit({"wait", "blog", "-g", "9", "--until", "ready"}).code == 2);
  CHECK(quit({"wait", "blog", "--until", "generation"}).code == 2);
}

TEST_CASE("rollback takes app and generation, or either") {
  const Options both = good({"rollback", "blog", "13"});
  CHECK(both.apps == Words{"blog"});
  CHECK(both.generation == 13u);
  CHECK(good({"rollback"}).apps.empty());
  CHECK(good({"rollback", "13"}).apps == Words{"13"});  // perhaps an app: the daemon knows
  CHECK(good({"rollback", "blog", "-g", "13"}).generation == 13u);
  CHECK(quit({"rollback", "blog", "x"}).code == 2);
  CHECK(quit({"rollback", "blog", "13", "14"}).code == 2);
}

TEST_CASE("config has commands of its own") {
  CHECK(good({"config", "show"}).command == "config show");
  CHECK(good({"config", "check", "/c"}).folder == "/c");
  CHECK(good({"config", "--json", "reload"}).json);
  CHECK(quit({"config"}).code == 2);
  CHECK(quit({"config", "shwo"}).text.find("did you mean `show`?") != std::string::npos);
}

TEST_CASE("a wrong command line is refused with what was meant") {
  CHECK(quit({}).code == 2);
  CHECK(quit({"relaod"}).code == 2);
  CHECK(quit({"relaod", "blog"}).text.find("there is no command `relaod`\n  did you mean `reload`?") !=
        std::string::npos);
  CHECK(quit({"list", "--nope"}).code == 2);
  CHECK(quit({"stop", "--all", "blog"}).code == 2);
  CHECK(quit({"list", "--timeout", "soon"}).code == 2);
  CHECK(quit({"status", "--timeout=-1"}).code == 2);
  CHECK(quit({"why", "a", "b"}).code == 2);
  CHECK(quit({"wait", "--until=generation"}).code == 2);
  CHECK(quit({"completion", "tcsh"}).code == 2);
}

TEST_CASE("the word that is wrong is blamed, not the value of an option before it") {
  CHECK(quit({"--timeout", "5", "list", "--frob"}).text.find("--frob") != std::string::npos);
  CHECK(quit({"-s", "/run/x.sock", "logs", "hello", "-n", "abc"}).text.find("-n,--lines: `abc`") !=
        std::string::npos);
  CHECK(quit({"-s", "list", "shwo"}).text.find("no command `shwo`") != std::string::npos);
  CHECK(quit({"config", "--timeout", "5", "shwo"}).text.find("did you mean `show`?") != std::string::npos);
  CHECK(quit({"help", "nosuch"}).code == 2);
  CHECK(quit({"help", "nosuch"}).text.find("no command `nosuch`") != std::string::npos);
  CHECK(quit({"help", "config", "nosuch"}).code == 2);
  CHECK(quit({"-s", "nosuch", "list", "--help"}).code == 0);
}

TEST_CASE("a wrong command line is answered in JSON where that is asked for") {
  CHECK(quit({"--json", "relaod"}).json);
  CHECK(quit({"list", "--frob", "--json"}).json);
  CHECK_FALSE(quit({"list", "--frob"}).json);
  CHECK_FALSE(quit({"--json", "--help"}).json);
}

TEST_CASE("more lines than are at hand are refused, and none without -f") {
  CHECK(quit({"logs", "-n", "2001"}).text.find("2000 that are at hand") != std::string::npos);
  CHECK(good({"logs", "-n", "2000"}).lines == 2000);
  CHECK(quit({"logs", "-n", "0"}).code == 2);
  CHECK(good({"logs", "-n", "0", "-f"}).lines == 0);
  CHECK(good({"imports", "-n", "0"}).lines == 0);
}

TEST_CASE("help and version are no errors") {
  CHECK(quit({"--help"}).code == 0);
  CHECK(quit({"--help"}).text.find("__complete") == std::string::npos);
  CHECK(quit({"--version"}).text.starts_with("moultctl "));
  CHECK(quit({"reload", "--help"}).text.find("moultctl reload") != std::string::npos);
}

TEST_CASE("a call names an app, a function and its arguments, which are left as they are") {
  const Options call = good({"call", "shop", "total", "[[1, 2], {\"a\": 3}]", "--timeout", "2"});
  CHECK(call.command == "call");
  CHECK(call.apps == Words{"shop"});
  CHECK(call.function == "total");
  CHECK(call.arguments == "[[1, 2], {\"a\": 3}]");
  CHECK(call.timeout == 2.0);
  CHECK(good({"call", "shop", "total"}).arguments.empty());
  CHECK(good({"call", "shop", "total", "-"}).arguments == "-");
  CHECK(quit({"call", "shop"}).code == 2);
  CHECK(quit({"call", "shop", "total", "1", "2"}).code == 2);
  CHECK(complete({"call", "sh"}).apps);
}

TEST_CASE("calls are listed, looked at and killed by their names") {
  CHECK(good({"calls"}).apps.empty());
  CHECK(good({"calls", "shop"}).apps == Words{"shop"});
  CHECK(good({"stack", "w1-17"}).call_name == "w1-17");
  CHECK(good({"kill", "h1-2"}).command == "kill");
  CHECK(quit({"kill"}).code == 2);
  CHECK(good({"exports", "shop"}).apps == Words{"shop"});
}

TEST_CASE("help is a word too, for those who know it from git") {
  CHECK(quit({"help"}).text == quit({"--help"}).text);
  CHECK(quit({"help"}).code == 0);
  CHECK(quit({"help", "reload"}).text == quit({"reload", "--help"}).text);
  CHECK(good({"status", "help"}).apps == Words{"help"});
}

TEST_CASE("a group of commands without one of them lists them") {
  CHECK(quit({"config"}).code == 2);
  CHECK(quit({"config"}).text.find("name one: config show|check|reload") != std::string::npos);
  CHECK(quit({}).text.find("name a command") != std::string::npos);
}

TEST_CASE("seconds have units") {
  CHECK(parse_seconds("30") == 30.0);
  CHECK(parse_seconds("1.5s") == 1.5);
  CHECK(parse_seconds("500ms") == 0.5);
  CHECK(parse_seconds("2min") == 120.0);
  CHECK(parse_seconds("1h") == 3600.0);
  for (const char* text : {"", "s", "1d", "-1", "nan", "inf", "1 s"}) CHECK_FALSE(parse_seconds(text));
}

TEST_CASE("completion offers commands, options and apps where they fit") {
  CHECK(offers({"re"}, "reload"));
  CHECK(offers({"re"}, "restart"));
  CHECK_FALSE(offers({"re"}, "list"));
  CHECK(offers({""}, "config"));
  CHECK_FALSE(offers({""}, "__complete"));
  CHECK(offers({"config", "s"}, "show"));
  CHECK(offers({"reload", "--w"}, "--wait"));
  CHECK(offers({"reload", "--js"}, "--json"));
  CHECK(offers({"-q", "re"}, "reload"));
  CHECK(offers({"-s", "/x", "re"}, "reload"));
  CHECK(offers({"completion", ""}, "fish"));
  CHECK(complete({"reload", "b"}).apps);
  CHECK(complete({"config", "show", ""}).apps);
  CHECK_FALSE(complete({"hosts", ""}).apps);
  CHECK_FALSE(complete({""}).apps);
  CHECK_FALSE(complete({"logs", "-n", ""}).apps);
  CHECK(complete({"-s", ""}).words.empty());
}

TEST_CASE("the words of a completion are taken as they are") {
  CHECK(good({"__complete", "--", "reload", "--wa"}).words == Words{"reload", "--wa"});
  CHECK(good({"__complete", "--"}).words.empty());
}
