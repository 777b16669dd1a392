#include "control/server.h"

#include "control/client.h"
#include "control/event_log.h"
#include "control/socket_search.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

using namespace moult;
using namespace moult::control;

namespace {

std::string make_folder() {
  char name[] = "/tmp/moult-control-XXXXXX";
  REQUIRE(::mkdtemp(name) != nullptr);
  return name;
}

SteadyTime soon() { return Steady::now() + std::chrono::seconds(20); }

// A server in a folder of its own, and a thread that plays the client while the loop runs.
struct Bench {
  std::string folder = make_folder();
  std::string path = folder + "/run/control.sock";
  Log log{Log::Format::json, LogLevel::error};
  uv::Loop loop;
  EventLog events{loop, "b1"};
  Methods methods;
  std::vector<Reply> kept;  // requests that "keep" was asked for
  std::atomic<int> gone{0};
  std::unique_ptr<Server> server;

  explicit Bench(Access allowed = Access::change, const ServerLimits& limits = {}) {
    serve_common(methods);
    events.serve(methods);
    methods.serve("reload", [](const Json& params, Reply reply) {
      reply.progress({{"app", params["app"]}, {"state", "making"}});
      reply.ok({{"app", params["app"]}, {"outcome", "switched"}});
    });
    methods.add({"keep", Access::read, "never answers", {}}, [this](const Json&, Reply reply) {
      reply.on_gone([this] { ++gone; });
      kept.push_back(std::move(reply));
    });
    methods.serve("logs", [](const Json&, Reply reply) {
      const std::string text(65536, 'x');
      while (reply.is_open()) reply.event({{"text", text}});
    });
    methods.serve("status", [](const Json& params, Reply reply) {
      if (params.contains("app")) return reply.fail_no_such_app(params["app"], {"blog"});
      reply.ok({{"daemon", "here"}});
    });
    auto made = Server::listen(loop, methods, log, path, allowed, limits);
    REQUIRE(made);
    server = std::move(*made);
  }
  ~Bench() {
    kept.clear();
    server.reset();
    ::rmdir((folder + "/run").c_str());
    CHECK(::rmdir(folder.c_str()) == 0);  // nothing was left behind
  }

  void run(const std::function<void()>& play) {
    uv::Async done(loop, [this] { loop.stop(); });
    std::thread thread([&] {
      play();
      done.wake();
    });
    loop.run();
    thread.join();
  }

  Client client() const {
    auto connected = Client::connect(path, ::geteuid());
    if (!connected) std::abort();
    return std::move(*connected);
  }

  // Sends bytes, and reads until the server closes.
  std::string exchange(std::string_view bytes, bool half_close = false) const {
    auto fd = connect_unix(path);
    if (!fd) std::abort();
    const int flags = ::fcntl(fd->get(), F_GETFL);
    ::fcntl(fd->get(), F_SETFL, flags & ~O_NONBLOCK);
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd->get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) break;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    if (half_close) ::shutdown(fd->get(), SHUT_WR);
    std::string answer;
    char buffer[4096];
    ssize_t count = 0;
    while ((count = ::recv(fd->get(), buffer, sizeof buffer, 0)) > 0) {
      answer.append(buffer, static_cast<std::size_t>(count));
    }
    return answer;
  }
};

}  // namespace

TEST_CASE("a client asks, hears of progress and gets the answer") {
  Bench bench;
  Result<Json> result;
  std::vector<Json> progress;
  bench.run([&] {
    Client client = bench.client();
    client.set_on_notice([&](const std::string&, const Json& params) { progress.push_back(params); });
    result = client.call("reload", {{"app", "blog"}}, soon());
  });
  REQUIRE(result);
  CHECK((*result)["outcome"] == "switched");
  REQUIRE(progress.size() == 1);
  CHECK(progress[0]["state"] == "making");
}

TEST_CASE("an error arrives with its code, hint and data") {
  Bench bench;
  Result<Json> result;
  Json data;
  bench.run([&] {
    Client client = bench.client();
    result = client.call("status", {{"app", "blgo"}}, soon());
    data = client.error_data();
  });
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::no_such_app);
  CHECK(result.error().hint == "did you mean `blog`?");
  CHECK(data["app"] == "blgo");
}

TEST_CASE("the socket and its folder are the user's alone, and the file goes with the server") {
  Bench bench;
  struct stat status {};
  REQUIRE(::stat(bench.path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  REQUIRE(::stat((bench.folder + "/run").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  bench.server.reset();
  CHECK(::stat(bench.path.c_str(), &status) != 0);
}

TEST_CASE("a live socket is not taken over, a stale one is, another file is left alone") {
  Bench bench;
  const auto second = Server::listen(bench.loop, bench.methods, bench.log, bench.path, Access::change);
  REQUIRE_FALSE(second);
  CHECK(second.error().message.find("another daemon answers") != std::string::npos);

  const std::string stale = bench.folder + "/stale.sock";
  {
    auto dead = ListeningSocket::bind(stale);
    REQUIRE(dead);
    REQUIRE(::rename(stale.c_str(), (stale + ".x").c_str()) == 0);  // so that it is not removed
  }
  REQUIRE(::rename((stale + ".x").c_str(), stale.c_str()) == 0);
  {
    const auto taken = ListeningSocket::bind(stale);
    REQUIRE(taken);
  }
  struct stat status {};
  CHECK(::stat(stale.c_str(), &status) != 0);

  const std::string file = bench.folder + "/file";
  REQUIRE(write_file_atomically(file, "mine"));
  CHECK_FALSE(ListeningSocket::bind(file));
  CHECK(read_file(file) == "mine");
  ::unlink(file.c_str());
}

TEST_CASE("the socket file of a successor is not removed") {
  Bench bench;
  const std::string path = bench.folder + "/two.sock";
  {
    const auto first = ListeningSocket::bind(path);
    REQUIRE(first);
    ::unlink(path.c_str());
    auto second = ListeningSocket::bind(path);
    REQUIRE(second);
    { const ListeningSocket gone = std::move(*ListeningSocket::bind(bench.folder + "/three.sock")); }
    struct stat status {};
    CHECK(::stat((bench.folder + "/three.sock").c_str(), &status) != 0);
    CHECK(::stat(path.c_str(), &status) == 0);
  }
}

TEST_CASE("paths that are too long or relative are clear errors") {
  CHECK(ListeningSocket::bind("/" + std::string(120, 'a')).error().message.find("107") != std::string::npos);
  CHECK_FALSE(ListeningSocket::bind("control.sock"));
}

TEST_CASE("only the same user and root may use a socket") {
  CHECK(may_use(1000, 1000));
  CHECK(may_use(0, 1000));
  CHECK_FALSE(may_use(1001, 1000));
  CHECK_FALSE(may_use(1001, 0));
}

TEST_CASE("requests sent in one go, and with a half-closed connection, are all answered") {
  Bench bench;
  std::string answer;
  bench.run([&] {
    answer = bench.exchange(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\nnonsense\n[]\n"
        "{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n",
        true);
  });
  CHECK(std::count(answer.begin(), answer.end(), '\n') == 4);
  CHECK(answer.find("-32700") != std::string::npos);
  CHECK(answer.find("-32600") != std::string::npos);
  CHECK(answer.find("\"id\":2") != std::string::npos);
}

TEST_CASE("a request that is too large is refused and the connection closed") {
  ServerLimits limits;
  limits.request_size = 1000;
  Bench bench(Access::change, limits);
  std::string answer;
  bench.run([&] { answer = bench.exchange("{\"jsonrpc\":\"2.0\",\"x\":\"" + std::string(5000, 'a')); });
  CHECK(answer.find("-32600") != std::string::npos);
  CHECK(answer.find("1000 bytes") != std::string::npos);
}

TEST_CASE("the status-only socket denies changes") {
  Bench bench(Access::read);
  Result<Json> read;
  Result<Json> change;
  bench.run([&] {
    Client client = bench.client();
    read = client.call("ping", Json::object(), soon());
    change = client.call("reload", {{"app", "blog"}}, soon());
  });
  CHECK(read);
  REQUIRE_FALSE(change);
  CHECK(change.error().code == ErrorCode::denied);
}

TEST_CASE("a request in flight hears that its client has gone") {
  Bench bench;
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
  Bench bench(Access::change, limits);
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
  Bench bench(Access::change, limits);
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
  Bench bench;
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
  Bench bench(Access::change, limits);
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
  Bench bench(Access::change, limits);
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

TEST_CASE("a GET is answered by a reading method, a POST by 405") {
  Bench bench;
  std::string good;
  std::string missing;
  std::string post;
  bench.run([&] {
    good = bench.exchange("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n");
    missing = bench.exchange("GET /v1/apps/nope HTTP/1.1\r\n\r\n");
    post = bench.exchange("POST /v1/apps/blog/reload HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
  });
  CHECK(good.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(good.find("\"daemon\": \"here\"") != std::string::npos);
  CHECK(missing.starts_with("HTTP/1.1 404"));
  CHECK(post.starts_with("HTTP/1.1 405"));
}

TEST_CASE("events stream to a client until its limit") {
  Bench bench;
  std::vector<std::string> names;
  Result<Json> end;
  bench.events.add("first", "blog");
  bench.run([&] {
    Client client = bench.client();
    client.set_on_notice([&](const std::string&, const Json& params) { names.push_back(params["event"]); });
    end = client.call("events", {{"since", "c:b1:0"}, {"follow", true}, {"limit", 1}}, soon());
  });
  REQUIRE(end);
  CHECK((*end)["cursor"] == "c:b1:1");
  CHECK(names == std::vector<std::string>{"first"});
}

TEST_CASE("a daemon that does not answer in time, or goes, is an error of its own") {
  Bench bench;
  Result<Json> late;
  Result<> closed;
  bench.run([&] {
    Client client = bench.client();
    late = client.call("keep", Json::object(), Steady::now() + Milliseconds(20));
  });
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::timed_out);
}

TEST_CASE("a method that breaks answers, and the server goes on") {
  Bench bench;
  bench.methods.add({"broken", Access::read, "a bug", {}},
                    [](const Json& params, Reply reply) { reply.ok(params.at("nothing")); });
  Result<Json> broken;
  Result<Json> next;
  bench.log.set_threshold(static_cast<LogLevel>(4));
  bench.run([&] {
    Client client = bench.client();
    broken = client.call("broken", Json::object(), soon());
    next = client.call("ping", Json::object(), soon());
  });
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == ErrorCode::interrupted);
  CHECK(next);
}

TEST_CASE("a client finds the daemon behind places where nobody answers") {
  Bench bench;
  Result<Client> found = fail(Error{});
  bench.run([&] { found = find_daemon({"/nowhere/control.sock", bench.path}, ::geteuid()); });
  REQUIRE(found);
  CHECK(found->path() == bench.path);
}
