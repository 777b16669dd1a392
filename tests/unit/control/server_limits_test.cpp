#include "server_bench.h"

using namespace moult;
using namespace moult::control;

TEST_CASE("a request that is too large is refused and the connection closed") {
  ServerLimits limits;
  limits.request_size = 1000;
  ServerBench bench(Access::change, limits);
  std::string answer;
  bench.run([&] { answer = bench.exchange("{\"jsonrpc\":\"2.0\",\"x\":\"" + std::string(5000, 'a')); });
  CHECK(answer.find("-32600") != std::string::npos);
  CHECK(answer.find("1000 bytes") != std::string::npos);
}

TEST_CASE("a request in flight hears that its client has gone") {
  ServerBench bench;
  bench.run([&] {
    {
      Client client = bench.client();
      CHECK_FALSE(client.call("keep", Json::object(), Steady::now()));
      CHECK(client.call("ping", Json::object(), soon()));
    }
    Client other = bench.client();
    const SteadyTime deadline = soon();
    while (bench.gone == 0 && Steady::now() < deadline) {
      if (!other.call("ping", Json::object(), soon())) return;
    }
  });
  CHECK(bench.gone == 1);
  REQUIRE(bench.kept.size() == 1);
  CHECK_FALSE(bench.kept[0].is_open());
  bench.kept[0].ok({{"late", true}});  // harmless
}

TEST_CASE("requests in flight are bounded per client") {
  ServerLimits limits;
  limits.requests_per_client = 2;
  ServerBench bench(Access::change, limits);
  std::string answer;
  bench.run([&] {
    std::string lines;
    for (int id = 1; id <= 3; ++id) {
      lines += "{\"jsonrpc\":\"2.0\",\"id\":" + std::to_string(id) + ",\"method\":\"keep\"}\n";
    }
    Client client = bench.client();
    auto fd = connect_unix(bench.path);
    ::send(fd->get(), lines.data(), lines.size(), MSG_NOSIGNAL);
    CHECK(client.call("ping", Json::object(), soon()));
    char buffer[4096];
    ssize_t count = -1;
    while (count < 0) {
      count = ::recv(fd->get(), buffer, sizeof buffer, 0);
      if (count < 0 && !client.call("ping", Json::object(), soon())) return;
    }
    answer.assign(buffer, static_cast<std::size_t>(count));
  });
  CHECK(bench.kept.size() == 2);
  CHECK(answer.find("\"id\":3") != std::string::npos);
  CHECK(answer.find("-32600") != std::string::npos);
}

TEST_CASE("clients are bounded, and the one too many is told so") {
  ServerLimits limits;
  limits.clients = 2;
  ServerBench bench(Access::change, limits);
  Result<Json> third;
  Result<Json> later;
  bench.run([&] {
    {
      Client one = bench.client();
      Client two = bench.client();
      CHECK(one.call("ping", Json::object(), soon()));
      CHECK(two.call("ping", Json::object(), soon()));
      Client three = bench.client();
      third = three.call("ping", Json::object(), soon());
    }
    for (int attempt = 0; attempt < 10000 && !later; ++attempt) {
      later = bench.client().call("ping", Json::object(), soon());
    }
  });
  REQUIRE_FALSE(third);
  CHECK(third.error().message.find("2 clients") != std::string::npos);
  CHECK(later);
}

TEST_CASE("a reader that does not read is cut, and its stream told") {
  ServerBench bench;
  bool ended = false;
  bench.run([&] {
    auto fd = connect_unix(bench.path);
    const std::string line =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"logs\",\"params\":{\"app\":\"blog\",\"follow\":true}}\n";
    ::send(fd->get(), line.data(), line.size(), MSG_NOSIGNAL);
    Client other = bench.client();
    ended = other.call("ping", Json::object(), soon()).has_value();  // the flood has come to an end
  });
  CHECK(ended);
}

TEST_CASE("a client that asks nothing, and one with half a request, are let go; a waiting one is not") {
  ServerLimits limits;
  limits.idle = Milliseconds(20);
  limits.half_request = Milliseconds(20);
  limits.sweep = Milliseconds(5);
  ServerBench bench(Access::change, limits);
  std::string idle = "still open";
  std::string half = "still open";
  Result<Json> waiting;
  bench.run([&] {
    Client client = bench.client();
    CHECK_FALSE(client.call("keep", Json::object(), Steady::now()));
    idle = bench.exchange("");  // returns only when the server closes
    half = bench.exchange("{\"jsonrpc\":");
    waiting = client.call("ping", Json::object(), soon());
  });
  CHECK(idle.empty());
  CHECK(half.empty());
  CHECK(waiting);
}

TEST_CASE("a half-closed client with a request in flight is noticed when it goes") {
  ServerLimits limits;
  limits.sweep = Milliseconds(5);
  ServerBench bench(Access::change, limits);
  bench.run([&] {
    Client other = bench.client();
    {
      auto fd = connect_unix(bench.path);
      const std::string line = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"keep\"}\n";
      ::send(fd->get(), line.data(), line.size(), MSG_NOSIGNAL);
      ::shutdown(fd->get(), SHUT_WR);
      CHECK(other.call("ping", Json::object(), soon()));
    }
    const SteadyTime deadline = soon();
    while (bench.gone == 0 && Steady::now() < deadline) {
      if (!other.call("ping", Json::object(), soon())) return;
    }
  });
  CHECK(bench.gone == 1);
}

TEST_CASE("a socket that was removed with its folder is made again") {
  ServerLimits limits;
  limits.sweep = std::chrono::milliseconds(5);
  ServerBench bench(Access::change, limits);
  bool is_back = false;
  bench.run([&] {
    CHECK(bench.client().call("ping", Json::object(), soon()));
    REQUIRE(::unlink(bench.path.c_str()) == 0);
    REQUIRE(::rmdir((bench.folder + "/run").c_str()) == 0);
    const SteadyTime deadline = soon();
    while (!is_back && Steady::now() < deadline)
      is_back = Client::connect(bench.path, ::getuid()).has_value();
    CHECK(bench.client().call("ping", Json::object(), soon()));
  });
  CHECK(is_back);
}
