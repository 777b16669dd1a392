#pragma once

#include "daemon/front/http/http_connection.h"
#include "daemon/front/http/http_server.h"

#include <sys/socket.h>
#include <cerrno>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace moult::test {

// An app for the connection tests: keeps what was submitted and answers as a test says.
class FakeApp final : public CallTarget {
 public:
  struct Seen {
    std::string method, target, script_name, path_info, query, server_name, server_port, remote_addr, body;
    std::uint8_t flags = 0;
    std::uint64_t content_length = 0;
    std::vector<std::pair<std::string, std::string>> headers;
  };

  void submit(Call& call) override {
    Seen one;
    one.method = call.head.method;
    one.target = call.head.target;
    one.script_name = call.head.script_name;
    one.path_info = call.head.path_info;
    one.query = call.head.query;
    one.server_name = call.head.server_name;
    one.server_port = call.head.server_port;
    one.remote_addr = call.head.remote_addr;
    one.flags = call.head.flags;
    one.content_length = call.head.content_length;
    one.body = call.body;
    for (const lane::Header& header : call.headers) one.headers.emplace_back(header.name, header.value);
    seen.push_back(std::move(one));
    current = &call;
    if (on_submit) on_submit(call);
  }
  void cancel(Call& call) override {
    ++cancelled;
    if (current == &call) current = nullptr;
  }
  void send_body(Call& call, std::string_view piece, End end, bool broken) override {
    streamed += piece;
    largest_piece = std::max(largest_piece, piece.size());
    body_ended = end == End::yes;
    body_broken = broken;
    if (on_body) on_body(call);
  }
  void pause(Call&) override { paused = true; }
  void resume(Call& call) override {
    paused = false;
    if (on_resume) on_resume(call);
  }

  bool is_crowded() const override { return crowded; }

  bool crowded = false;
  std::vector<Seen> seen;
  Call* current = nullptr;
  int cancelled = 0;
  std::string streamed;
  std::size_t largest_piece = 0;
  bool body_ended = false;
  bool body_broken = false;
  bool paused = false;
  std::function<void(Call&)> on_submit;
  std::function<void(Call&)> on_body;
  std::function<void(Call&)> on_resume;
};

// A whole answer, with its length.
inline void answer(Call& call, std::string_view body, std::uint16_t status = 200) {
  const std::string headers =
      "Content-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  lane::Head head;
  head.status = status;
  head.reason = status == 200 ? "OK" : "Other";
  head.header_text = headers;
  head.flags = lane::kHasLength;
  head.length = body.size();
  call.client->on_head(call, head, body, End::yes);
}

// The head of an answer without a length, and its first piece.
inline void begin_answer(Call& call, std::string_view first) {
  lane::Head head;
  head.status = 200;
  head.reason = "OK";
  head.header_text = "Content-Type: text/plain\r\n";
  call.client->on_head(call, head, first, End::no);
}

// A server with one app at "" on a loop of its own; clients are ends of socket pairs. Time passes
// only for deadlines, by pass().
class Front {
 public:
  explicit Front(DaemonConfig config = {})
      : log(Log::Format::human, LogLevel::error), server(loop, log, numbers, config) {
    target.calls = &app;
    target.app = "fake";
    target.max_body = 1u << 20;
    routes.add("", "", &target);
  }

  // A client's end, non-blocking.
  Fd connect(http::Peer peer = {}) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) std::abort();
    peer.local_host = "localhost";
    peer.local_port = "8000";
    server.add_connection(Fd(pair[1]), std::move(peer), routes);
    return Fd(pair[0]);
  }

  // A front server's, that speaks something else than HTTP.
  Fd connect_front(Wire wire) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) std::abort();
    server.add_cgi_connection(Fd(pair[1]), wire, routes);
    return Fd(pair[0]);
  }

  // Some rounds of the loop without waiting. From libuv 1.45 on a timer that is due runs before the
  // first look at descriptors, so only the second one stops.
  void pump(int rounds = 4) {
    for (int i = 0; i < rounds; ++i) {
      uv::Timer stop(loop);
      stop.start(Milliseconds(0), [&] { stop.start(Milliseconds(0), [this] { loop.stop(); }); });
      loop.run();
    }
  }
  // Runs the loop until `done`, for what comes from the thread pool.
  void pump_until(const std::function<bool()>& done) {
    uv::Timer step(loop);
    uv::Timer limit(loop);
    bool late = false;
    step.start_repeating(Milliseconds(1), [&] {
      if (done() || late) loop.stop();
    });
    limit.start(Milliseconds(10'000), [&] { late = true; });
    loop.run();
  }
  void pass(Milliseconds time) {
    server.sweep(loop.now() + time);
    pump();
  }

  static void write(const Fd& client, std::string_view bytes) {
    if (::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes.size())) {
      std::abort();
    }
  }
  // What has come once the loop has gone round; `closed` tells whether the end was seen.
  std::string read(const Fd& client) {
    pump(1);
    return read_now(client);
  }
  std::string read_now(const Fd& client) {
    std::string text;
    char buffer[65536];
    for (;;) {
      const ssize_t count = ::recv(client.get(), buffer, sizeof buffer, 0);
      if (count <= 0) {
        closed = count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
        return text;
      }
      text.append(buffer, static_cast<std::size_t>(count));
    }
  }
  std::string exchange(const Fd& client, std::string_view request) {
    write(client, request);
    pump();
    return read(client);
  }

  uv::Loop loop;
  Log log;
  FakeApp app;
  RouteTarget target;
  Routes routes;
  CallNumbers numbers;
  HttpServer server;
  bool closed = false;
};

inline bool ends_with_body(const std::string& response, std::string_view body) {
  return response.ends_with("\r\n\r\n" + std::string(body));
}

inline std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

}  // namespace moult::test
