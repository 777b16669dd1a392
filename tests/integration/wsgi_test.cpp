// PEP 3333 through the real daemon and host.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"

#include <doctest/doctest.h>

#include <string>

using namespace moult::testing;

namespace {

struct Features {
  DaemonProcess daemon;
  explicit Features(std::string_view toml = "") {
    daemon.add_app("features", toml).copy_app("features");
    daemon.start();
  }
  HttpResponse get(std::string_view target) const { return daemon.get(target); }
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("an app behind wsgiref's validator is served without a complaint") {
  DaemonProcess daemon;
  daemon.add_app("validated").copy_app("validated");
  daemon.start();
  CHECK(daemon.get("/?a=1").body == "valid:");
  CHECK(daemon.get("/parts").body == "ab");
  CHECK(post(daemon.address(), "/", "body").body == "valid:body");
  CHECK(post(daemon.address(), "/", std::string(100'000, 'x')).body.size() == 100'006);
  HttpConnection head(daemon.address());
  head.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(head.read_response(HttpConnection::To::head).status == 200);
  CHECK_FALSE(contains(daemon.app_log("validated"), "AssertionError"));
}

TEST_CASE("the environ is what PEP 3333 says") {
  const Features features("routes = [\"/mounted\"]\nthreads = 3");
  const HttpResponse response = features.get("/mounted/environ?a=b%20c");
  const std::string& shown = response.body;
  CHECK(contains(shown, R"("SCRIPT_NAME": "/mounted")"));
  CHECK(contains(shown, R"("PATH_INFO": "/environ")"));
  CHECK(contains(shown, R"("QUERY_STRING": "a=b%20c")"));
  CHECK(contains(shown, R"("SERVER_PROTOCOL": "HTTP/1.1")"));
  CHECK(contains(shown, R"("REQUEST_METHOD": "GET")"));
  CHECK(contains(shown, R"("wsgi.multithread": true)"));
  CHECK(contains(shown, R"("wsgi.multiprocess": false)"));
  CHECK(contains(shown, R"("wsgi.run_once": false)"));
  CHECK(contains(shown, R"("wsgi.input_terminated": true)"));
}

TEST_CASE("a path is decoded once, to latin-1") {
  const Features features("routes = [\"/m\"]");
  HttpConnection connection(features.daemon.address());
  connection.send(get_request("/m/environ/../environ"));
  CHECK(connection.read_response().status == 200);
  CHECK(contains(features.get("/m/%65nviron").body, R"("PATH_INFO": "/environ")"));
}

TEST_CASE("wsgi.input gives lines, sizes and iteration, with a length and with chunks") {
  const Features features;
  const std::string body = "first\nsecond\nthird\nfourth\nfifth";
  const std::string expected =
      R"([b'first\n', b'sec', b'on', [b'd\n'], [b'third\n', b'fourth\n', b'fifth'], b'', b''])";
  CHECK(post(features.daemon.address(), "/lines", body).body == expected);
  HttpConnection chunked(features.daemon.address());
  chunked.send("POST /lines HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const char letter : body) chunked.send(std::string("1\r\n") + letter + "\r\n");
  chunked.send("0\r\n\r\n");
  CHECK(chunked.read_response().body == expected);
}

TEST_CASE("write(), iterables with close() and bare bytes are served") {
  const Features features;
  CHECK(features.get("/written").body == "one two three");
  CHECK(features.get("/closed").body == "ab");
  CHECK(contains(features.get("/released").body, "closed"));
  CHECK(features.get("/bare_bytes").body == "bare bytes");
}

TEST_CASE("exc_info replaces headers before they are sent, and cuts the response after") {
  const Features features;
  const HttpResponse replaced = features.get("/late_error");
  CHECK(replaced.status == 503);
  CHECK(replaced.header("X-Replaced") == "yes");
  HttpConnection connection(features.daemon.address());
  connection.send(get_request("/cut"));
  CHECK_THROWS_AS(connection.read_response(), HttpError);
}

TEST_CASE("an exception is 500 without its inner detail, with it when debug is on, and in the log") {
  {
    const Features features;
    const HttpResponse response = features.get("/raises");
    CHECK(response.status == 500);
    CHECK_FALSE(contains(response.body, "secret"));
    CHECK(eventually([&] { return contains(features.daemon.app_log("features"), "a secret of the app"); }));
  }
  const Features debugged("debug = true");
  CHECK(contains(debugged.get("/raises").body, "RuntimeError: a secret of the app"));
}

TEST_CASE("a response shorter than its Content-Length is cut, not completed") {
  const Features features;
  HttpConnection connection(features.daemon.address());
  connection.send(get_request("/wrong_length"));
  CHECK_THROWS_AS(connection.read_response(), HttpError);
  CHECK(features.get("/of_length").header("Content-Length") == "5");
}

TEST_CASE("wsgi.file_wrapper sends files and things that are like files") {
  const Features features;
  CHECK(features.get("/file").body == features.daemon.tree("features").read("app.py"));
  CHECK(features.get("/file_like").body.size() == 11'000);
}

TEST_CASE("headers may repeat and have latin-1, and cannot inject or be hop-by-hop") {
  const Features features;
  const HttpResponse repeated = features.get("/repeated");
  CHECK(repeated.count("Set-Cookie") == 2);
  CHECK(repeated.header("X-Latin") == "caf\xe9");
  const HttpResponse injected = features.get("/injected");
  CHECK(injected.status == 500);
  CHECK(injected.count("X-Injected") == 0);
  CHECK(features.get("/hop").status == 500);
}

TEST_CASE("what an app prints goes line by line into its log, with app and generation") {
  const Features features;
  CHECK(features.get("/errors").body == "logged");
  CHECK(eventually([&] {
    const std::string log = features.daemon.app_log("features");
    return contains(log, "to wsgi.errors") && contains(log, "to stdout") && contains(log, "to stderr");
  }));
  const Answer lines = features.daemon.call("logs", R"({"app":"features","lines":3})");
  CHECK(lines.size("/lines") == 3);
  CHECK(lines.number("/lines/0/generation") == 1);
}

TEST_CASE("an ASGI app is refused with a sentence that says why") {
  DaemonProcess daemon;
  daemon.add_app("asgi", "queue_timeout = \"300ms\"")
      .write("app.py", "async def application(scope, receive, send):\n    pass\n");
  daemon.start();
  const Answer status = daemon.status("asgi");
  CHECK(contains(status.text("/rejected/error"), "ASGI"));
  CHECK(daemon.get("/").status == 503);
}

TEST_CASE("moultd run serves a file, a folder and a callable by name") {
  DaemonProcess daemon;
  const AppTree tree(daemon.folder().path() / "code");
  tree.write("site.py", "def make(environ, start):\n    start('200 OK', [])\n    return [b'made']\n");
  daemon.start_listening(
      {"run", (tree / "site.py").string() + ":make", "--listen", "127.0.0.1:0", "--python", test_python()});
  CHECK(daemon.wait_for_body("/", "made"));
  CHECK(daemon.stop() == 0);
  tree.write("app.py",
             "def create_app():\n    def app(environ, start):\n        start('200 OK', [])\n"
             "        return [b'created']\n    return app\n");
  daemon.start_listening({"run", tree.path().string(), "--listen", "127.0.0.1:0", "--python", test_python()});
  CHECK(daemon.wait_for_body("/", "created"));
}
