#include "server_bench.h"

#include "control/socket_search.h"

#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>

using namespace moult;
using namespace moult::control;

TEST_CASE("a client asks, hears of progress and gets the answer") {
  ServerBench bench;
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
  ServerBench bench;
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
  ServerBench bench;
  struct stat status {};
  REQUIRE(::stat(bench.path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  REQUIRE(::stat((bench.folder + "/run").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  bench.server.reset();
  CHECK(::stat(bench.path.c_str(), &status) != 0);
}

TEST_CASE("a live socket is not taken over, a stale one is, another file is left alone") {
  ServerBench bench;
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
  ServerBench bench;
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
  ServerBench bench;
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

TEST_CASE("the status-only socket denies changes") {
  ServerBench bench(Access::read);
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

TEST_CASE("a GET is answered by a reading method, a POST by 405") {
  ServerBench bench;
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
  ServerBench bench;
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
  ServerBench bench;
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
  ServerBench bench;
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
  ServerBench bench;
  Result<Client> found = fail(Error{});
  bench.run([&] { found = find_daemon({"/nowhere/control.sock", bench.path}, ::geteuid()); });
  REQUIRE(found);
  CHECK(found->path() == bench.path);
}
