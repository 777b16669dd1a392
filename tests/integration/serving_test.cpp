// HTTP/1.1 as the daemon speaks it, over real sockets. What the parser refuses in detail is the
// business of tests/unit/front; here each rule is shown once from outside.

#include "tests/support/daemon_process.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <string>
#include <vector>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

// One daemon with tests/apps/features for all cases of a TEST_CASE.
struct Features {
  DaemonProcess daemon;
  explicit Features(std::string_view toml = "") {
    daemon.add_app("features", toml).copy_app("features");
    daemon.start();
  }
  std::string address() const { return daemon.address(); }
};

struct Refused {
  const char* what;
  int status;
  std::string bytes;
};

}  // namespace

TEST_CASE("a request that is not strictly HTTP/1.1 is refused and the connection closed") {
  const Features features;
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
  const std::vector<Refused> all{
      {"two Content-Length", 400,
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na"},
      {"Content-Length as a list", 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na"},
      {"Content-Length with Transfer-Encoding", 400,
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"bare LF", 400, "GET / HTTP/1.1\nHost: a\n\n"},
      {"obs-fold", 400, head + "X-A: b\r\n c\r\n\r\n"},
      {"blank before the colon", 400, head + "X-A : b\r\n\r\n"},
      {"NUL in a value", 400, head + std::string("X-A: b\0c\r\n\r\n", 12)},
      {"bad chunk size", 400,
       "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n"},
      {"method that is no token", 400, "G{}T / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"no Host", 400, "GET / HTTP/1.1\r\n\r\n"},
      {"two Hosts", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"unknown transfer coding", 501,
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
      {"HTTP/2.0", 505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
      {"101 headers", 431,
       [&] {
         std::string text = head;
         for (int i = 0; i < 101; ++i) text += "X-" + std::to_string(i) + ": 1\r\n";
         return text + "\r\n";
       }()},
      {"40 KiB of headers", 431, head + "X-A: " + std::string(40'000, 'a') + "\r\n\r\n"},
      {"40 KiB of target", 414, "GET /" + std::string(40'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n"},
  };
  for (const Refused& one : all) {
    CAPTURE(one.what);
    HttpConnection connection(features.address());
    connection.send(one.bytes);
    CHECK(connection.read_response().status == one.status);
    CHECK(connection.ends());
  }
  CHECK(features.daemon.get("/").body == "features");  // and it serves on
}

TEST_CASE("one connection serves many requests, also sent all at once, and answers in their order") {
  const Features features;
  HttpConnection connection(features.address());
  connection.send(get_request("/sleep?0.1") + post_request("/echo", "two") + get_request("/written"));
  CHECK(connection.read_response().body == "slept");
  CHECK(connection.read_response().body == "two");
  CHECK(connection.read_response().body == "one two three");
  connection.send(get_request("/", {"Connection: close"}));
  const HttpResponse last = connection.read_response();
  CHECK(last.body == "features");
  CHECK(last.header("Connection") == "close");
  CHECK(connection.ends());
}

TEST_CASE("an HTTP/1.0 client gets a whole answer without chunks, and the end of the connection") {
  const Features features;
  HttpConnection connection(features.address());
  connection.send("GET /steps HTTP/1.0\r\n\r\n");
  const HttpResponse response = connection.read_response();
  CHECK_FALSE(response.chunked);
  CHECK(response.body == "step 0\nstep 1\nstep 2\n");
}

TEST_CASE("a body is streamed in pieces as the app makes them") {
  const Features features;
  HttpConnection connection(features.address());
  connection.send(get_request("/steps"));
  CHECK(connection.read_head().chunked);
  CHECK(connection.read_chunk() == "step 0\n");
  CHECK(connection.read_chunk() == "step 1\n");
  CHECK(connection.read_chunk() == "step 2\n");
  CHECK(connection.read_chunk().empty());
}

TEST_CASE("the answer to HEAD has the headers of GET and no body") {
  const Features features;
  HttpConnection connection(features.address());
  connection.send("HEAD /of_length HTTP/1.1\r\nHost: a\r\n\r\n" + get_request("/of_length"));
  const HttpResponse head = connection.read_response(HttpConnection::To::head);
  CHECK(head.status == 200);
  CHECK(head.header("Content-Length") == "5");
  CHECK(connection.read_response().body == "12345");  // nothing of a body came between
}

TEST_CASE("204 and 304 have no body and keep the connection") {
  const Features features;
  HttpConnection connection(features.address());
  connection.send(get_request("/no_content") + get_request("/not_modified") + get_request("/"));
  const HttpResponse no_content = connection.read_response();
  CHECK(no_content.status == 204);
  CHECK(no_content.header("Transfer-Encoding").empty());
  CHECK(connection.read_response().status == 304);
  CHECK(connection.read_response().body == "features");
}

TEST_CASE("Expect: 100-continue is answered when the app reads, and not when it does not") {
  const Features features;
  const std::string expects = " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  HttpConnection reads(features.address());
  reads.send("POST /echo" + expects);
  CHECK(reads.read_response().status == 100);
  reads.send("hello");
  CHECK(reads.read_response().body == "hello");

  HttpConnection refuses(features.address());
  refuses.send("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\nExpect: 100-continue\r\n\r\n");
  CHECK(refuses.read_response().status == 200);
}

TEST_CASE("a chunked upload reaches the app as one body, with trailers left out") {
  const Features features;
  HttpConnection connection(features.address());
  connection.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n" +
      get_request("/"));
  CHECK(connection.read_response().body == "hello world");
  CHECK(connection.read_response().body == "features");
}

TEST_CASE("an upload of 20 MiB is streamed to the app whole") {
  const Features features;
  std::string body(20u << 20, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 7 + (i >> 12));
  const HttpResponse response = post(features.address(), "/digest", body);
  CHECK(response.body.substr(0, response.body.find(' ')) == std::to_string(body.size()));
  const HttpResponse echoed = post(features.address(), "/echo", body);
  CHECK(echoed.body.size() == body.size());
  CHECK(echoed.body == body);
}

TEST_CASE("a body over max_body is refused with 413, with a length and without one") {
  const Features features("max_body = \"100kB\"");
  HttpConnection with_length(features.address());
  with_length.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
  CHECK(with_length.read_response().status == 413);

  HttpConnection chunked(features.address());
  chunked.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string piece = "10000\r\n" + std::string(0x10000, 'a') + "\r\n";
  chunked.send(piece);  // enough for the app to be called
  CHECK(eventually([&] { return features.daemon.status("features").number("/calls/running") == 1; }));
  chunked.send(piece);
  CHECK(chunked.read_response().status == 413);
}

TEST_CASE("a half-close is no disconnect: the answer still comes") {
  const Features features;
  HttpConnection connection(features.address());
  connection.send(get_request("/sleep?0.2"));
  connection.half_close();
  CHECK(connection.read_response().body == "slept");
}

TEST_CASE("a client that goes away ends the iteration, and close() is called") {
  const Features features;
  {
    HttpConnection connection(features.address());
    connection.send(get_request("/endless"));
    CHECK(connection.read_head().status == 200);
    connection.reset();
  }
  CHECK(
      eventually([&] { return features.daemon.get("/released").body.find("endless") != std::string::npos; }));
}

TEST_CASE("slow headers and slow bodies time out with 408") {
  DaemonProcess daemon;
  daemon.write_daemon_config(
      "listen = \"127.0.0.1:0\"\nheader_timeout = \"300ms\"\nbody_timeout = \"300ms\"\n");
  daemon.add_app("features").copy_app("features");
  daemon.start();
  HttpConnection slow_head(daemon.address());
  slow_head.send("GET / HTTP/1.1\r\nHost:");
  CHECK(slow_head.read_response().status == 408);
  CHECK(slow_head.ends());
  HttpConnection slow_body(daemon.address());
  slow_body.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  CHECK(slow_body.read_response().status == 408);
}

TEST_CASE("a unix socket serves the same, with the mode that was asked for") {
  DaemonProcess daemon;
  const std::string path = daemon.folder() / "web.sock";
  daemon.write_daemon_config("listen = [\"127.0.0.1:0\", { unix = \"" + path + "\", mode = \"0640\" }]\n");
  daemon.add_app("features").copy_app("features");
  daemon.start();
  CHECK(get("unix:" + path, "/written").body == "one two three");
  CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::all) ==
        static_cast<std::filesystem::perms>(0640));
}

TEST_CASE("header names with underscores are dropped, forwarded headers believed only from a proxy") {
  const Features features;
  HttpConnection connection(features.address());
  connection.send(get_request("/environ", {"X_Forged: 1", "X-Real: 2", "X-Forwarded-Proto: https",
                                           "X-Forwarded-For: 9.9.9.9", "Proxy: evil"}));
  const std::string shown = connection.read_response().body;
  CHECK(shown.find("HTTP_X_FORGED") == std::string::npos);
  CHECK(shown.find("\"HTTP_X_REAL\": \"2\"") != std::string::npos);
  CHECK(shown.find("\"wsgi.url_scheme\": \"http\"") != std::string::npos);
  CHECK(shown.find("\"REMOTE_ADDR\": \"127.0.0.1\"") != std::string::npos);
}

TEST_CASE("static files come from the daemon with ETag and ranges, and nothing from outside the folder") {
  DaemonProcess daemon;
  const AppTree files(daemon.folder().path() / "files");
  files.write("site.css", "body { color: red }");
  AppTree(daemon.folder().path()).write("secret.txt", "secret");
  std::filesystem::create_symlink(daemon.folder() / "secret.txt", files / "link.txt");
  daemon.add_app("features", "static = { \"/static/\" = " + json_text(files.path().string()) + " }")
      .copy_app("features");
  daemon.start();
  const HttpResponse whole = daemon.get("/static/site.css");
  CHECK(whole.body == "body { color: red }");
  CHECK(whole.header("Content-Type").substr(0, 8) == "text/css");
  CHECK(daemon.get("/static/site.css", {"If-None-Match: " + whole.header("ETag")}).status == 304);
  const HttpResponse part = daemon.get("/static/site.css", {"Range: bytes=0-3"});
  CHECK(part.status == 206);
  CHECK(part.body == "body");
  for (const char* outside : {"/static/../secret.txt", "/static/%2e%2e/secret.txt", "/static/link.txt"}) {
    CAPTURE(outside);
    CHECK(daemon.get(outside).body.find("secret") == std::string::npos);
  }
  CHECK(daemon.get("/").body == "features");
}
