// Each folder of examples/ does what its README says.

#include "tests/support/daemon_process.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>

#include <string>

using namespace moult::testing;

namespace {

namespace fs = std::filesystem;

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// A copy of examples/, whose config files use a free port and the Python of this run.
struct Examples {
  DaemonProcess daemon;
  AppTree folder{daemon.folder().path() / "examples"};

  Examples() {
    fs::copy(fs::path(MOULT_SOURCE_DIR) / "examples", folder.path(),
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  }

  void start_config(const std::string& name) {
    std::string text = folder.read(name + "/moult.toml");
    replace(text, "127.0.0.1:8000", "127.0.0.1:0");
    replace(text, "/usr/bin/python3", test_python());
    folder.write(name + "/moult.toml", text);
    daemon.start({"--config", (folder / name).string(), "--state", daemon.state_folder()});
  }
  void run(const std::string& name) {
    daemon.start({"run", (folder / name).string(), "--python", test_python(), "--listen", "127.0.0.1:0"});
  }

 private:
  static void replace(std::string& text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
  }
};

bool skipped(const std::string& modules) {
  if (python_has(modules)) return false;
  skip("no " + modules + " for this Python");
  return true;
}

}  // namespace

TEST_CASE("examples/config serves plain WSGI, Flask and Django behind one port") {
  if (skipped("flask django")) return;
  Examples examples;
  examples.start_config("config");
  const DaemonProcess& daemon = examples.daemon;
  CHECK(contains(daemon.get("/").body, "Hello from Moult"));
  CHECK(contains(daemon.get("/flask/?name=you").body, "you"));
  CHECK(daemon.get("/flask/static/style.css").status == 200);
  CHECK(contains(daemon.get("/django/square/12/").body, "144"));
  CHECK(contains(daemon.get("/django/").body, "/django/square/"));
  CHECK(daemon.call("list").size("/apps") == 3);
}

TEST_CASE("examples/hello_wsgi answers a new greeting after an edit, and the old one after a mistake") {
  Examples examples;
  examples.run("hello_wsgi");
  const DaemonProcess& daemon = examples.daemon;
  CHECK(contains(daemon.get("/").body, "Hello from Moult\napp hello_wsgi, generation 1\npath /"));
  std::string code = examples.folder.read("hello_wsgi/app.py");
  code.replace(code.find("Hello"), 5, "Servus");
  examples.folder.write("hello_wsgi/app.py", code);
  CHECK(eventually(
      [&] { return contains(daemon.get("/").body, "Servus from Moult\napp hello_wsgi, generation 2"); }));
  examples.folder.write("hello_wsgi/app.py", code.substr(1));
  CHECK(daemon.wait_for_state("hello_wsgi", "degraded"));
  CHECK(contains(daemon.get("/").body, "Servus"));
  CHECK(daemon.logs("SyntaxError"));
}

TEST_CASE("examples/hello_flask answers its page, its echo and its style sheet") {
  if (skipped("flask")) return;
  Examples examples;
  examples.run("hello_flask");
  const std::string address = examples.daemon.address();
  CHECK(contains(get(address, "/?name=you").body, "you"));
  CHECK(post(address, "/echo", R"({"a": 1})").body == "{\"you_sent\":{\"a\":1}}\n");
  CHECK(get(address, "/static/style.css").status == 200);
}

TEST_CASE("examples/hello_django is found by its manage.py") {
  if (skipped("django")) return;
  Examples examples;
  examples.run("hello_django");
  HttpConnection connection(examples.daemon.address());
  connection.send(get_request("/square/12/"));
  CHECK(connection.read_response().body == R"({"number": 12, "square": 144})");
}

TEST_CASE("examples/two_apps tells its apps apart by path and host name") {
  Examples examples;
  examples.start_config("two_apps/config");
  const DaemonProcess& daemon = examples.daemon;
  CHECK(daemon.get("/shop/tea").body == "tea: 4 EUR\n");
  CHECK(contains(daemon.get("/blog").body, "mounted at /blog; CURRENCY is None"));
  HttpConnection by_host(daemon.address());
  by_host.send(get_request("/", {}, "blog.localhost"));
  CHECK(by_host.read_response().body == "blog at blog.localhost, mounted at /; CURRENCY is None\n");
  CHECK(daemon.get("/").status == 404);
  std::string shop = examples.folder.read("two_apps/config/apps/shop.toml");
  shop.replace(shop.find("EUR"), 3, "CHF");
  examples.folder.write("two_apps/config/apps/shop.toml", shop);
  CHECK(daemon.wait_for_body("/shop/tea", "tea: 4 CHF\n"));
  CHECK(daemon.generation("shop") == 2);
  CHECK(daemon.generation("blog") == 1);
}

TEST_CASE("examples/numpy_app gets a process of its own unasked") {
  if (skipped("numpy")) return;
  Examples examples;
  examples.run("numpy_app");
  CHECK(contains(examples.daemon.get("/?size=3").body, "\"trace\": 12.0"));
  CHECK(examples.daemon.status("numpy_app").text("/isolation") == "process");
}

TEST_CASE("examples/control_script reloads an app over the socket from plain Python") {
  Examples examples;
  examples.start_config("two_apps/config");
  const Finished script =
      run({{test_python(), (examples.folder / "control_script/reload.py").string(), "shop"},
           examples.daemon.environment(),
           {},
           {},
           {}},
          examples.daemon.folder().path().string());
  CHECK_MESSAGE(script.status == 0, script.errors);
  CHECK(contains(script.output, "shop: switched, generation 1 -> 2"));
  CHECK(examples.daemon.generation("shop") == 2);
}

TEST_CASE("examples/calling_apps: orders asks billing, which hands its counts to its next generation") {
  Examples examples;
  examples.start_config("calling_apps/config");
  const DaemonProcess& daemon = examples.daemon;
  CHECK(contains(daemon.get("/coffee/3").body, "coffee: 15 EUR (call w"));
  CHECK(daemon.get("/milk").body == "billing says KeyError: 'milk'\n");
  CHECK(daemon.get("/history").body == "coffee: 1\nmilk: 1\n");
  CHECK(daemon.call("call", R"({"app":"billing","function":"price","args":{"item":"tea"}})")
            .number("/result") == 4);
  std::string code = examples.folder.read("calling_apps/billing/app.py");
  code.replace(code.find("\"tea\": 4"), 8, "\"tea\": 9");
  examples.folder.write("calling_apps/billing/app.py", code);
  REQUIRE(daemon.wait_for_generation("billing", 2));
  // Their host hears of the switch a moment after it: until then a call enters the old generation.
  CHECK(eventually([&] { return contains(daemon.get("/tea").body, "tea: 9 EUR"); }));
  CHECK(daemon.get("/history").body == "coffee: 1\nmilk: 1\ntea: 2\n");
  CHECK(daemon.get("/billing").body == "billing, generation 2, asked 4 times\n");
  CHECK(contains(daemon.app_log("billing"), "took over 3 questions from generation 1"));
}
