#pragma once

#include "control/client.h"
#include "control/event_log.h"
#include "control/server.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

namespace moult::control {

inline std::string make_folder() {
  char name[] = "/tmp/moult-control-XXXXXX";
  REQUIRE(::mkdtemp(name) != nullptr);
  return name;
}

inline SteadyTime soon() { return Steady::now() + std::chrono::seconds(20); }

// A server in a folder of its own, and a thread that plays the client while the loop runs.
struct ServerBench {
  std::string folder = make_folder();
  std::string path = folder + "/run/control.sock";
  Log log{Log::Format::json, LogLevel::error};
  uv::Loop loop;
  EventLog events{loop, "b1"};
  Methods methods;
  std::vector<Reply> kept;  // requests that "keep" was asked for
  std::atomic<int> gone{0};
  std::unique_ptr<Server> server;

  explicit ServerBench(Access allowed = Access::change, const ServerLimits& limits = {}) {
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
  ~ServerBench() {
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

}  // namespace moult::control
