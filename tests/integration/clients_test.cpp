// Clients that are slow, that go, that ask for more than there is room for: none of them takes what
// others need.

#include "tests/support/daemon_process.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

struct Clients {
  DaemonProcess daemon;
  explicit Clients(std::string_view toml = "", std::string_view daemon_toml = "") {
    daemon.write_daemon_config("listen = \"127.0.0.1:0\"\n" + std::string(daemon_toml));
    daemon.add_app("clients", toml).copy_app("clients");
    daemon.start();
  }
  std::string address() const { return daemon.address(); }
  bool released(std::string_view name) const {
    return eventually([&] { return daemon.get("/released").body.find(name) != std::string::npos; });
  }
  int running() const { return daemon.status("clients").number("/calls/running"); }
  // A worker whose client was ended leaves its call a moment later; time-outs come much later.
  bool settles_at(int calls) const {
    return eventually([&] { return running() == calls; }, Clock::now() + 5s);
  }
};

HttpResponse head_of(const std::string& address, const std::string& target) {
  HttpConnection connection(address);
  connection.send("HEAD " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
  return connection.read_response(HttpConnection::To::head);
}

}  // namespace

TEST_CASE("an authority that stands in a request three times does not end the daemon") {
  const Clients clients;
  for (const std::size_t size : {200U, 21'850U, 31'900U}) {
    CAPTURE(size);
    HttpConnection connection(clients.address());
    connection.send("POST http://" + std::string(size, 'a') + "/upload HTTP/1.1\r\nHost: x\r\n" +
                    "Content-Length: 60000\r\n\r\n" + std::string(60'000, 'b'));
    CHECK(connection.read_response().status == (size == 200 ? 200 : 400));
  }
  CHECK(clients.daemon.get("/").body == "here");
}

TEST_CASE("the head of an answer has a bound of its own, whatever body comes with it") {
  const Clients clients;
  for (const char* sizes : {"65536-65536", "98000-65536", "98000-10"}) {
    CAPTURE(sizes);
    const HttpResponse response = clients.daemon.get(std::string("/big_head?") + sizes);
    CHECK(response.status == 200);
    CHECK(response.header("X").size() == std::stoul(sizes));
  }
  CHECK(clients.daemon.get("/big_head?98400-1").status == 500);
  CHECK(eventually(
      [&] { return clients.daemon.app_log("clients").find("98304 are possible") != std::string::npos; }));
}

TEST_CASE("an answer without an end has one where no body can be sent") {
  const Clients clients("threads = 4");
  for (int i = 0; i < 4; ++i) CHECK(head_of(clients.address(), "/events").status == 200);
  for (int i = 0; i < 4; ++i) CHECK(head_of(clients.address(), "/late_start").status == 200);
  for (const char* status : {"204", "205", "304"}) {
    CAPTURE(status);
    CHECK(clients.daemon.get(std::string("/status?") + status).status == std::stoi(status));
    CHECK(head_of(clients.address(), std::string("/status?") + status).status == std::stoi(status));
  }
  CHECK(head_of(clients.address(), "/writes").status == 200);
  CHECK(clients.daemon.get("/five").body == "ababa");
  CHECK(head_of(clients.address(), "/five").header("Content-Length") == "5");
  CHECK(clients.daemon.get("/zero").body == std::string(100'000, '\0'));
  for (const char* name : {"events", "late_start", "status", "five", "writes"}) {
    CAPTURE(name);
    CHECK(clients.released(name));
  }
  CHECK(eventually([&] { return clients.running() == 0; }));
}

TEST_CASE("an app that gives its client nothing, or writes without a look, is told that it has gone") {
  const Clients clients("threads = 4");
  {
    HttpConnection silent(clients.address());
    silent.send("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(silent.read_head().status == 200);
    HttpConnection writes(clients.address());
    writes.send("GET /writes HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(writes.read_head().status == 200);
    silent.reset();
    writes.reset();
  }
  CHECK(clients.released("silent"));
  CHECK(clients.released("writes"));
  CHECK(eventually([&] { return clients.running() == 0; }));
}

TEST_CASE("an app that computes while its client goes is stopped at its first step") {
  const Clients clients("threads = 2");
  {
    HttpConnection connection(clients.address());
    connection.send("GET /computes HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(eventually([&] { return clients.running() == 1; }));
    connection.reset();
  }
  CHECK(eventually([&] { return !clients.daemon.call("calls").flag("/calls/0/waited_for"); }));
  clients.daemon.get("/go");
  CHECK(clients.released("computes"));
  CHECK(eventually([&] { return clients.running() == 0; }));
}

TEST_CASE("a slow reader holds a worker only while nobody waits for it") {
  const Clients clients("threads = 2");
  std::vector<std::unique_ptr<HttpConnection>> slow;
  for (int i = 0; i < 2; ++i) {
    slow.push_back(std::make_unique<HttpConnection>(clients.address()));
    slow.back()->send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  REQUIRE(eventually([&] { return clients.running() == 2; }));
  HttpConnection other(clients.address());
  other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(other.read_response(HttpConnection::To::get, Clock::now() + 25s).body == "here");
  CHECK(clients.settles_at(1));
}

TEST_CASE("a file of the kernel's, whose size says nothing, is sent whole") {
  const Clients clients;
  CHECK(clients.daemon.get("/proc").body.starts_with("Name:"));
}

TEST_CASE("SERVER_PORT is the listener's, and a later minor version is served as 1.1") {
  const Clients clients;
  const std::string address = clients.address();
  HttpConnection connection(address);
  connection.send("GET /environ HTTP/1.2\r\nHost: example.org:99\r\n\r\n");
  CHECK(connection.read_response().body ==
        address.substr(address.rfind(':') + 1) + " example.org:99 HTTP/1.1");
}

TEST_CASE("a chunk's line that can be none is answered at once, also while the app reads") {
  const Clients clients;
  for (const bool streams : {false, true}) {
    HttpConnection connection(clients.address());
    connection.send("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    if (streams) connection.send("11000\r\n" + std::string(0x11000, 'x') + "\r\n");
    connection.send("zz");
    CHECK(connection.read_response(HttpConnection::To::get, Clock::now() + 15s).status == 400);
  }
}

TEST_CASE("slow uploads do not hold all workers of an app when others wait") {
  const Clients clients("threads = 4");
  std::vector<std::unique_ptr<HttpConnection>> slow;
  for (int i = 0; i < 4; ++i) {
    slow.push_back(std::make_unique<HttpConnection>(clients.address()));
    slow.back()->send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    slow.back()->send(std::string(70'000, 'x'));
  }
  REQUIRE(eventually([&] { return clients.running() == 4; }));
  // One that stays takes the first worker, so that the next one waits until the slow ones hold half of them.
  HttpConnection stays(clients.address());
  stays.send("GET /computes HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(eventually([&] { return clients.daemon.status("clients").number("/calls/queued") == 1; }));
  // Long before queue_timeout, and before body_timeout lets the slow ones go.
  HttpConnection other(clients.address());
  other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(other.read_response(HttpConnection::To::get, Clock::now() + 20s).body == "here");
  CHECK(clients.settles_at(3));
  stays.reset();
  clients.daemon.get("/go");
  CHECK(clients.settles_at(2));
  CHECK(clients.daemon.logs("slow clients were ended"));
}

TEST_CASE("a body below min_rate ends with 408") {
  const Clients clients("", "body_timeout = \"500ms\"\nmin_rate = \"1MiB\"\n");
  HttpConnection connection(clients.address());
  connection.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" +
                  std::string(30'000, 'x'));
  CHECK(connection.read_response().status == 408);
}

TEST_CASE("at max_connections idle ones make room for who wants in, and it is said") {
  const Clients clients("", "max_connections = 3\n");
  std::vector<std::unique_ptr<HttpConnection>> idle;
  for (int i = 0; i < 3; ++i) {
    idle.push_back(std::make_unique<HttpConnection>(clients.address()));
    idle.back()->send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(idle.back()->read_response().status == 200);
  }
  CHECK(clients.daemon.get("/").body == "here");
  CHECK(idle[0]->ends());
  CHECK(clients.daemon.logs("max_connections is reached"));
}
