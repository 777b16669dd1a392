#include "tests/unit/front/fixture.h"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace moult;
using namespace moult::test;

namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const ListenAddress kAnyPort{"127.0.0.1", 0, ""};

Fd connect_to(const sockaddr* address, socklen_t size) {
  Fd fd(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), address, size) != 0) return {};
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  return fd;
}

Fd connect_tcp(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Fd connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

struct TemporaryFolder {
  TemporaryFolder() {
    char name[] = "/tmp/moult-front-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string path;
};

ListenAddress unix_address(const std::string& path) {
  ListenAddress address;
  address.unix_path = path;
  return address;
}

}  // namespace

TEST_CASE("a server on a TCP port of the system's choice answers") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "tcp"); };
  REQUIRE(front.server.listen(kAnyPort, front.routes));
  const std::uint16_t port = front.server.port_of(kAnyPort).value();
  REQUIRE(port != 0);
  const Fd client = connect_tcp(port);
  REQUIRE(client);
  front.pump();
  CHECK(front.exchange(client, kGet).ends_with("tcp"));
  CHECK(front.app.seen[0].remote_addr == "127.0.0.1");
  const HttpCounters& counters = front.server.counters();
  CHECK(counters.accepted == 1);
  CHECK(counters.open == 1);
  CHECK(counters.requests == 1);
  CHECK(counters.by_class[2] == 1);
  CHECK(counters.bytes_in == kGet.size());
  CHECK(counters.bytes_out > 0);
}

TEST_CASE("a port that is taken is an error that names the address") {
  Front front;
  REQUIRE(front.server.listen(kAnyPort, front.routes));
  const ListenAddress same = front.server.addresses()[0];
  const auto again = front.server.listen(same, front.routes);
  REQUIRE_FALSE(again);
  CHECK(again.error().message.find(to_string(same)) != std::string::npos);
}

TEST_CASE("a unix socket has its mode, serves, and goes away with its server") {
  const TemporaryFolder folder;
  ListenAddress address = unix_address(folder.path + "/s");
  address.mode = 0640;
  {
    Front front;
    front.app.on_submit = [](Call& call) { answer(call, "unix"); };
    REQUIRE(front.server.listen(address, front.routes));
    struct stat status {};
    REQUIRE(::lstat(address.unix_path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0640);
    const Fd client = connect_unix(address.unix_path);
    front.pump();
    CHECK(front.exchange(client, kGet).ends_with("unix"));
    CHECK(front.app.seen[0].remote_addr.empty());
  }
  CHECK_FALSE(std::filesystem::exists(address.unix_path));
}

TEST_CASE("a socket file without a server behind it is replaced, a living one is not") {
  const TemporaryFolder folder;
  const ListenAddress address = unix_address(folder.path + "/s");
  {
    const Fd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    address.unix_path.copy(name.sun_path, sizeof name.sun_path - 1);
    REQUIRE(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
  }
  Front front;
  CHECK(front.server.listen(address, front.routes));
  Front other;
  const auto refused = other.server.listen(address, other.routes);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().hint == "another server answers on this socket");
  CHECK(connect_unix(address.unix_path));
}

TEST_CASE("a file that is no socket is left alone") {
  const TemporaryFolder folder;
  const ListenAddress address = unix_address(folder.path + "/s");
  std::ofstream(address.unix_path) << "precious";
  Front front;
  CHECK_FALSE(front.server.listen(address, front.routes));
  CHECK(std::filesystem::is_regular_file(address.unix_path));
}

TEST_CASE("a socket file that somebody else bound meanwhile is not removed") {
  const TemporaryFolder folder;
  const ListenAddress address = unix_address(folder.path + "/s");
  Front front;
  REQUIRE(front.server.listen(address, front.routes));
  std::filesystem::rename(address.unix_path, folder.path + "/moved");
  std::ofstream(address.unix_path) << "another's";
  front.server.stop_listening(address);
  CHECK(std::filesystem::exists(address.unix_path));
}

TEST_CASE("a path that is too long and a group that is not there are clear errors") {
  const TemporaryFolder folder;
  Front front;
  const auto too_long =
      front.server.listen(unix_address(folder.path + "/" + std::string(120, 'x')), front.routes);
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().message.find("107") != std::string::npos);
  ListenAddress address = unix_address(folder.path + "/s");
  address.group = "no-such-group";
  CHECK_FALSE(front.server.listen(address, front.routes));
  CHECK_FALSE(std::filesystem::exists(address.unix_path));
}

TEST_CASE("above max_connections others wait in the backlog until one goes") {
  DaemonConfig config;
  config.max_connections = 2;
  Front front(config);
  front.app.on_submit = [](Call& call) { answer(call, "served"); };
  REQUIRE(front.server.listen(kAnyPort, front.routes));
  const std::uint16_t port = front.server.port_of(kAnyPort).value();
  Fd first = connect_tcp(port);
  const Fd second = connect_tcp(port);
  const Fd third = connect_tcp(port);
  front.pump();
  CHECK(front.server.counters().open == 2);
  CHECK(front.exchange(third, kGet).empty());
  first.reset();
  front.pump(8);
  CHECK(front.server.counters().open == 2);
  CHECK(front.read(third).ends_with("served"));
}

TEST_CASE("at max_connections the one that is idle longest closes for a new one") {
  DaemonConfig config;
  config.max_connections = 3;
  Front front(config);
  front.app.on_submit = [](Call& call) { answer(call, "served"); };
  REQUIRE(front.server.listen(kAnyPort, front.routes));
  const std::uint16_t port = front.server.port_of(kAnyPort).value();
  const Fd longest = connect_tcp(port);
  front.exchange(longest, kGet);
  const Fd head = connect_tcp(port);
  front.exchange(head, "GET / HTTP/1.1\r\n");
  const Fd busy = connect_tcp(port);
  front.app.on_submit = [](Call&) {};
  front.exchange(busy, kGet);
  front.app.on_submit = [](Call& call) { answer(call, "served"); };
  const Fd fourth = connect_tcp(port);
  CHECK(front.exchange(fourth, kGet).empty());  // nobody has been idle for a second
  front.server.sweep(front.loop.now() + Milliseconds(1500));
  std::string got;
  front.pump_until([&] { return (got += front.read_now(fourth)).ends_with("served"); });
  CHECK(got.ends_with("served"));
  front.read(longest);
  CHECK(front.closed);
  front.read(head);
  CHECK_FALSE(front.closed);
  // A head that does not come to its end goes like an idle one; a call goes never.
  const Fd fifth = connect_tcp(port);
  CHECK(front.exchange(fifth, kGet).ends_with("served"));
  front.read(head);
  CHECK(front.closed);
  front.read(busy);
  CHECK_FALSE(front.closed);
  CHECK(front.server.counters().open == 3);
}

TEST_CASE("slow clients hold half of an app's workers at most when others wait") {
  Front front;
  front.target.slow_max = 2;
  std::vector<Call*> calls;
  front.app.on_submit = [&calls](Call& call) { calls.push_back(&call); };
  std::vector<Fd> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(front.connect());
    front.exchange(clients.back(), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    for (int piece = 0; piece < 4; ++piece) front.exchange(clients.back(), std::string(16'384 + i, 'x'));
  }
  REQUIRE(calls.size() == 4);
  front.app.on_body = [](Call& call) { call.client->on_want_body(call); };
  for (Call* call : calls) call->client->on_want_body(*call);
  front.pass(Milliseconds(10'000));
  CHECK_FALSE(front.app.body_broken);  // nobody waits
  int broken = 0;
  front.app.on_body = [&](Call&) { broken += front.app.body_broken ? 1 : 0; };
  front.app.crowded = true;
  front.pass(Milliseconds(10'000));
  CHECK(broken == 2);
  front.pass(Milliseconds(20'000));
  CHECK(broken == 2);
}

TEST_CASE("who waits in the backlog when a listener stops is still served") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "served"); };
  REQUIRE(front.server.listen(kAnyPort, front.routes));
  const std::uint16_t port = front.server.port_of(kAnyPort).value();
  const Fd client = connect_tcp(port);
  front.write(client, kGet);
  front.server.stop_listening(kAnyPort);
  CHECK(front.server.addresses().empty());
  front.pump();
  CHECK(front.read(client).ends_with("served"));
  CHECK_FALSE(connect_tcp(port));
}

TEST_CASE("stop ends idle connections, lets calls in flight end, then says so") {
  Front front;
  const Fd idle = front.connect();
  const Fd busy = front.connect();
  front.exchange(busy, kGet);
  bool stopped = false;
  front.server.stop(Milliseconds(60'000), [&stopped] { stopped = true; });
  front.pump();
  front.read(idle);
  CHECK(front.closed);
  CHECK_FALSE(stopped);
  answer(*front.app.current, "last");
  ::shutdown(busy.get(), SHUT_WR);
  front.pump();
  const std::string response = front.read(busy);
  CHECK(response.find("Connection: close\r\n") != std::string::npos);
  CHECK(response.ends_with("last"));
  CHECK(front.closed);
  CHECK(stopped);
}

TEST_CASE("a request that is in the socket already when stop comes is answered") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "in time"); };
  const Fd client = front.connect();
  front.write(client, kGet);
  front.server.stop(Milliseconds(60'000), [] {});
  front.pump();
  CHECK(front.read(client).ends_with("in time"));
}

TEST_CASE("what is left at the deadline of stop is cut") {
  Front front;
  const Fd client = front.connect();
  front.exchange(client, kGet);
  bool stopped = false;
  front.server.stop(Milliseconds(1), [&stopped] { stopped = true; });
  front.pump_until([&stopped] { return stopped; });
  CHECK(stopped);
  CHECK(front.app.cancelled == 1);
}

TEST_CASE("stop without connections calls back from the loop, not from inside") {
  Front front;
  bool stopped = false;
  front.server.stop(Milliseconds(1000), [&stopped] { stopped = true; });
  CHECK_FALSE(stopped);
  front.pump();
  CHECK(stopped);
}

TEST_CASE("a server that is destroyed cancels the calls of its connections") {
  FakeApp app;
  Routes routes;
  RouteTarget target;
  target.calls = &app;
  routes.add("", "", &target);
  {
    Front front;
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    const Fd client(pair[0]);
    front.server.add_connection(Fd(pair[1]), {}, routes);
    front.write(client, kGet);
    front.pump();
    REQUIRE(app.current != nullptr);
  }
  CHECK(app.cancelled == 1);
}

TEST_CASE("the access log tells what was asked, what was answered and by which app") {
  Front front;
  std::string line;
  front.server.set_access_log([&line](const AccessRecord& record) {
    line = std::string(record.method) + " " + std::string(record.target) + " " +
           std::to_string(record.status) + " " + std::string(record.app) + " " +
           (record.bytes > 5 ? "sized" : "empty") + (record.cut ? " cut" : "");
  });
  front.app.on_submit = [](Call& call) { answer(call, "hello"); };
  const Fd client = front.connect();
  front.exchange(client, "GET /x?y HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(line == "GET /x?y 200 fake sized");
}

TEST_CASE("forwarding headers are believed from trusted peers only, and dropped otherwise") {
  DaemonConfig config;
  config.trusted_proxies = {"10.0.0.0/8"};
  Front front(config);
  front.app.on_submit = [](Call& call) { answer(call, "x"); };
  const std::string request =
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.1.1.1\r\nX-Forwarded-Proto: "
      "https\r\n\r\n";
  http::Peer proxy;
  proxy.address = "10.0.0.1";
  proxy.trusted = true;
  front.exchange(front.connect(proxy), request);
  http::Peer stranger;
  stranger.address = "192.0.2.99";
  front.exchange(front.connect(stranger), request);
  REQUIRE(front.app.seen.size() == 2);
  const FakeApp::Seen& trusted = front.app.seen[0];
  CHECK(trusted.remote_addr == "192.0.2.7");
  CHECK((trusted.flags & lane::kHttps) != 0);
  CHECK(trusted.server_port == "8000");
  CHECK(trusted.headers.size() == 3);
  const FakeApp::Seen& untrusted = front.app.seen[1];
  CHECK(untrusted.remote_addr == "192.0.2.99");
  CHECK((untrusted.flags & lane::kHttps) == 0);
  CHECK(untrusted.headers.size() == 1);
}

TEST_CASE("without descriptors nothing spins, and accepting goes on when one is free") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "served"); };
  REQUIRE(front.server.listen(kAnyPort, front.routes));
  const Fd client = connect_tcp(front.server.port_of(kAnyPort).value());
  front.write(client, kGet);
  front.pump(1);  // libuv takes the descriptors that it needs
  std::vector<Fd> hoard;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const Fd second = connect_tcp(front.server.port_of(kAnyPort).value());
  front.write(second, kGet);
  const rlimit none{static_cast<rlim_t>(second.get() + 1), before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  for (;;) {
    Fd taken(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!taken) break;
    hoard.push_back(std::move(taken));
  }
  front.pump(8);
  const std::uint64_t open_without = front.server.counters().open;
  hoard.clear();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  front.server.sweep(front.loop.now());
  front.pump(8);
  CHECK(open_without == 1);
  CHECK(front.server.counters().open == 2);
  CHECK(front.read(second).ends_with("served"));
}
