// Calls of functions as the daemon carries them: from the control socket, and between apps in
// different hosts; drains that wait for calls inside of one host.

#include "tests/integration/gate.h"

#include <doctest/doctest.h>

#include <csignal>
#include <string>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

constexpr const char* kShop = R"(
import moult, time

@moult.export
def total(order, factor=2):
    """Sums an order up.

    And more."""
    return order * factor

@moult.export
def refuse(text):
    raise ValueError(text)

@moult.export
def numbers(count):
    for number in range(count):
        yield number
    if count > 3:
        raise KeyError('more than three')

@moult.export
def busy():
    while True:
        time.sleep(0.01)

def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'shop']
)";

// Answers with what the expression in the query gives.
constexpr const char* kBlog = R"(
import moult, urllib.parse

def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    try:
        result = repr(eval(urllib.parse.unquote(environ['QUERY_STRING']), globals()))
    except moult.CallError as error:
        result = f'{type(error).__name__}: {error}'
    return [result.encode()]
)";

struct Apps {
  DaemonProcess daemon;
  AppTree shop;
  AppTree blog;
  // Further lines of their configurations.
  Apps(const std::string& shop_toml, const std::string& blog_toml)
      : shop(daemon.add_app("shop", "route = \"/shop\"\n" + shop_toml)),
        blog(daemon.add_app("blog", "route = \"/blog\"\n" + blog_toml)) {
    shop.write("app.py", kShop);
    shop.write("shop_more.py", "def twice(text): return text * 2\n");
    blog.write("app.py", kBlog);
    daemon.start();
  }
  std::string eval(const std::string& expression) const {
    std::string escaped;
    for (const char c : expression) {
      constexpr const char* kDigits = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(c);
      escaped += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
    return daemon.get("/blog/?" + escaped).body;
  }
};

const std::string kApart = "isolation = \"process\"\n";
const std::string kTogether = "group = \"g\"\n";

// The name of the first call of this function that `calls` lists; "" after the patience's end.
std::string call_of(const DaemonProcess& daemon, std::string_view what) {
  std::string name;
  eventually([&] {
    const Answer calls = daemon.call("calls");
    for (std::size_t i = 0; i < calls.size("/calls"); ++i) {
      const std::string row = "/calls/" + std::to_string(i);
      if (calls.text(row + "/what") == what) name = calls.text(row + "/call");
    }
    return !name.empty();
  });
  return name;
}

}  // namespace

TEST_CASE("a script calls a function with keywords, with positions and with integers of any size") {
  const Apps apps("", kApart);
  const Answer answer =
      apps.daemon.call("call", R"({"app":"shop","function":"total","args":{"order":7,"factor":3}})");
  CHECK(answer.number("/result") == 21);
  CHECK(answer.number("/generation") == 1);
  CHECK(apps.daemon.call("call", R"({"app":"shop","function":"total","args":[[1]]})").size("/result") == 2);
  const Finished large = apps.daemon.ctl({"call", "shop", "total", "[12345678901234567890123, 1]"});
  CHECK(large.status == 0);
  CHECK(large.output == "12345678901234567890123\n");
  const std::string long_text(300'000, 'x');
  const Answer text =
      apps.daemon.call("call", R"({"app":"shop","function":"total","args":[")" + long_text + "\"]}");
  CHECK(text.text("/result") == long_text + long_text);
}

TEST_CASE("a stream comes to a script as a list, unless it ends in an error") {
  const Apps apps("", kApart);
  CHECK(apps.daemon.ctl({"call", "shop", "numbers", "[3]"}).output == "[0,1,2]\n");
  CHECK(apps.daemon.ctl({"call", "shop", "numbers", "[0]"}).output == "[]\n");
  const Answer failed = apps.daemon.call("call", R"({"app":"shop","function":"numbers","args":[4]})");
  CHECK(failed.error_text("/type") == "KeyError");
}

TEST_CASE("a call that fails says why, and moultctl's exit code says what kind of thing it was") {
  const Apps apps("", kApart);
  const Answer raised = apps.daemon.call("call", R"({"app":"shop","function":"refuse","args":["no"]})");
  CHECK(raised.error_code() == "failed");
  CHECK(raised.error_message() == "ValueError: no");
  CHECK(raised.error_text("/kind") == "raised");
  CHECK(contains(raised.error_text("/detail"), "in refuse"));
  CHECK(apps.daemon.ctl({"call", "shop", "refuse", "[\"no\"]"}).status == 1);

  const Answer unknown = apps.daemon.call("call", R"({"app":"shop","function":"totl"})");
  CHECK(unknown.error_text("/kind") == "not_exported");
  CHECK(unknown.error_text("/type") == "NotExported");
  const Answer hook = apps.daemon.call("call", R"({"app":"shop","function":"moult.hook.handoff"})");
  CHECK(hook.error_code() == "usage");
  CHECK(apps.daemon.ctl({"call", "shpo", "total"}).status == 4);
  CHECK(apps.daemon.ctl({"call", "shop", "total", "7"}).status == 2);

  const auto began = Clock::now();
  CHECK(apps.daemon.ctl({"call", "shop", "busy", "--timeout", "0.3"}).status == 124);
  CHECK(Clock::now() - began < patience());
  REQUIRE(apps.daemon.call("stop", R"({"app":"shop"})").ok());
  const Finished stopped = apps.daemon.ctl({"call", "shop", "total", "[1]"});
  CHECK(stopped.status == 3);
  CHECK(contains(stopped.errors, "moultctl start shop"));
  CHECK(contains(apps.eval("moult.call('shop', 'total', 1)"), "AppUnavailable: "));
}

TEST_CASE("what an app exports can be asked for") {
  const Apps apps("exports = [\"shop_more:twice\"]\n", kApart);
  CHECK(apps.daemon.call("exports", R"({"app":"blog"})").size("/exports") == 0);
  const Finished table = apps.daemon.ctl({"exports", "shop"});
  CHECK(contains(table.output, "twice(text)"));
  CHECK(table.status == 0);
  CHECK(contains(table.output, "total(order, factor=2)  -       Sums an order up.\n"));
  CHECK(contains(table.output, "numbers(count)          stream  -"));
}

TEST_CASE("a running call can be listed, looked at and killed, whoever made it") {
  std::string isolation;
  SUBCASE("through the daemon") { isolation = kApart; }
  SUBCASE("inside of one host") { isolation = kTogether; }
  const Apps apps(isolation, isolation);
  auto busy = std::async(std::launch::async, [&] { return apps.eval("moult.call('shop', 'busy')"); });
  const std::string name = call_of(apps.daemon, "busy");
  REQUIRE_FALSE(name.empty());
  const Finished table = apps.daemon.ctl({"calls"});
  CHECK(contains(table.output, name));
  CHECK(contains(table.output, "GET /blog/"));
  CHECK(apps.daemon.call("calls", R"({"app":"shop"})").size("/calls") == 1);
  CHECK(apps.daemon.call("calls", R"({"app":"shop"})").text("/calls/0/caller") == "blog");
  const Finished stack = apps.daemon.ctl({"stack", name});
  CHECK(stack.status == 0);
  CHECK(contains(stack.output, "in busy"));
  CHECK_FALSE(contains(stack.output, "in total"));
  CHECK(apps.daemon.ctl({"kill", name}).status == 0);
  CHECK(contains(busy.get(), "Interrupted"));
  CHECK(eventually([&] { return apps.daemon.ctl({"stack", name}).status == 1; }));
  CHECK(apps.daemon.ctl({"kill", "x9"}).status == 1);
}

TEST_CASE("a request that hangs can be found and killed as well") {
  const Apps apps("", kApart);
  apps.blog.write("app.py",
                  "import time\n"
                  "def application(environ, start_response):\n"
                  "    while True: time.sleep(0.01)\n");
  REQUIRE(apps.daemon.wait_for_generation("blog", 2));
  auto hangs = std::async(std::launch::async, [&] { return apps.daemon.get("/blog/hangs").status; });
  const std::string name = call_of(apps.daemon, "GET /blog/hangs");
  CHECK(contains(apps.daemon.ctl({"stack", name}).output, "in application"));
  CHECK(apps.daemon.ctl({"kill", name}).status == 0);
  CHECK(hangs.get() == 504);
}

TEST_CASE("a call of an app that was removed from the config can still be found and killed") {
  Apps apps("", kApart);
  auto busy = std::async(std::launch::async, [&] { return apps.eval("moult.call('shop', 'busy')"); });
  REQUIRE_FALSE(call_of(apps.daemon, "busy").empty());
  apps.daemon.remove_app_config("shop");
  REQUIRE(eventually([&] { return apps.daemon.call("list").size("/apps") == 1; }));
  const std::string name = call_of(apps.daemon, "busy");
  REQUIRE_FALSE(name.empty());
  CHECK(apps.daemon.ctl({"kill", name}).status == 0);
  CHECK(contains(busy.get(), "Interrupted"));
}

TEST_CASE("a caller gives up at its deadline, also while its call waits for a worker") {
  const Apps apps("threads = 1\n", kApart);
  auto busy = std::async(std::launch::async, [&] { return apps.eval("moult.call('shop', 'busy')"); });
  const std::string name = call_of(apps.daemon, "busy");
  REQUIRE_FALSE(name.empty());
  const auto began = Clock::now();
  CHECK(contains(apps.eval("moult.call('shop', 'total', 1, timeout=0.3)"), "CallTimeout"));
  CHECK(Clock::now() - began >= 300ms);
  CHECK(apps.daemon.ctl({"call", "shop", "total", "[1]", "--timeout", "0.3"}).status == 124);
  CHECK(apps.daemon.ctl({"kill", name}).status == 0);
  busy.get();
  CHECK(apps.eval("moult.call('shop', 'total', 1, timeout=30)") == "2");
}

TEST_CASE("a function that is given up at its deadline is interrupted, and its worker serves again") {
  const Apps apps("threads = 1\n", kApart);
  CHECK(contains(apps.eval("moult.call('shop', 'busy', timeout=0.2)"), "CallTimeout"));
  CHECK(apps.eval("moult.call('shop', 'total', 4, timeout=30)") == "8");
}

TEST_CASE("a call whose host dies fails with that, and the next one is served by the new host") {
  const Apps apps(kApart, kApart);
  auto busy = std::async(std::launch::async, [&] { return apps.eval("moult.call('shop', 'busy')"); });
  REQUIRE_FALSE(call_of(apps.daemon, "busy").empty());
  ::kill(host_of(apps.daemon, "shop"), SIGKILL);
  CHECK(contains(busy.get(), "HostLost"));
  CHECK(eventually([&] { return apps.eval("moult.call('shop', 'total', 4, timeout=5)") == "8"; }));
}

TEST_CASE("a call inside of one host holds the drain of what it called, and new calls run new code") {
  DaemonProcess daemon;
  const Gate gate(daemon, "slow");
  const std::string code =
      "import moult, os, time\n"
      "@moult.export\n"
      "def version(slow=False):\n"
      "    slow and " +
      gate.expression() +
      "\n"
      "    return 'VERSION'\n"
      "def application(environ, start_response):\n"
      "    start_response('200 OK', [])\n"
      "    return [b'']\n";
  const auto versioned = [&](const std::string& version) {
    std::string text = code;
    return text.replace(text.find("VERSION"), 7, version);
  };
  const AppTree shop = daemon.add_app("shop", "route = \"/shop\"\n" + kTogether);
  const AppTree blog = daemon.add_app("blog", "route = \"/blog\"\n" + kTogether);
  shop.write("app.py", versioned("one"));
  blog.write("app.py", kBlog);
  daemon.start();
  const auto ask = [&](const std::string& arguments) {
    return daemon.get("/blog/?moult.call(%27shop%27,%27version%27" + arguments + ")").body;
  };
  CHECK(ask("") == "'one'");
  auto slow = std::async(std::launch::async, [&] { return ask(",slow=True"); });
  REQUIRE(gate.is_reached());
  shop.write("app.py", versioned("two"));
  REQUIRE(daemon.wait_for_generation("shop", 2));
  CHECK(eventually([&] { return ask("") == "'two'"; }));
  CHECK(daemon.call("wait", R"({"app":"shop","until":"drained","timeout":0.2})").error_code() == "timed_out");
  gate.open();
  CHECK(slow.get() == "'one'");
  CHECK(daemon.call("wait", R"({"app":"shop","until":"drained"})").ok());
  REQUIRE(daemon.call("rollback", R"({"app":"shop"})").ok());
  CHECK(ask("") == "'one'");
}

TEST_CASE("the generation that served last stands by, also when an older one drains later") {
  DaemonProcess daemon;
  const Gate gate(daemon, "slow");
  const AppTree blog = daemon.add_app("blog");
  blog.write("app.py", tells_pid(gate.expression()));
  daemon.start();
  auto slow = std::async(std::launch::async, [&] { return daemon.get("/slow").status; });
  REQUIRE(gate.is_reached());
  for (int i = 0; i < 2; ++i) REQUIRE(daemon.call("reload", R"({"app":"blog"})").ok());
  gate.open();
  CHECK(slow.get() == 200);
  CHECK(daemon.call("wait", R"({"app":"blog","until":"drained"})").ok());
  const Answer rows = daemon.call("generations", R"({"app":"blog"})");
  CHECK(rows.number("/generations/1/generation") == 2);
  CHECK(rows.text("/generations/1/state") == "standby");
}

TEST_CASE("a call inside of one host that outlives the drain does not hold it for ever") {
  const Apps apps(kTogether + "drain_timeout = \"300ms\"\nretire_timeout = \"1s\"\n", kTogether);
  auto busy = std::async(std::launch::async, [&] { return apps.eval("moult.call('shop', 'busy')"); });
  REQUIRE_FALSE(call_of(apps.daemon, "busy").empty());
  REQUIRE(apps.daemon.call("reload", R"({"app":"shop"})").ok());
  CHECK(apps.daemon.call("wait", R"({"app":"shop","until":"drained"})").ok());
  CHECK(contains(busy.get(), "Interrupted"));
  CHECK(apps.eval("moult.call('shop', 'total', 4)") == "8");
}

TEST_CASE("an app asks for its own reload, and to be left alone") {
  const Apps apps("", "");
  CHECK(apps.eval("moult.current().generation") == "1");
  apps.eval("moult.reload()");
  CHECK(apps.daemon.wait_for_generation("blog", 2));
  CHECK(apps.daemon.call("generations", R"({"app":"blog"})").text("/generations/0/cause") == "reload");
  apps.eval("moult.freeze()");
  CHECK(eventually([&] { return apps.daemon.status("blog").text("/watch") == "frozen"; }));
  apps.eval("moult.thaw()");
  CHECK(eventually([&] { return apps.daemon.status("blog").text("/watch") != "frozen"; }));
}
