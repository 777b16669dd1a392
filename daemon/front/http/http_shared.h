#pragma once

#include "daemon/config/config.h"
#include "daemon/front/forwarded.h"
#include "daemon/front/http/http_head.h"
#include "daemon/front/http/waiting_list.h"
#include "daemon/front/response.h"
#include "daemon/serve/call.h"
#include "ipc/base/log.h"
#include "ipc/uv/loop.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// What the front end counts since its start; read by the control socket.
struct HttpCounters {
  std::uint64_t accepted = 0;  // connections
  std::uint64_t open = 0;      // connections now
  std::uint64_t requests = 0;  // heads read, whether refused or not
  std::uint64_t cut = 0;       // responses that could not be ended: client gone, or the app broke off
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::array<std::uint64_t, 6> by_class{};  // [2]: responses with status 2xx
};

// One line of the access log. The views are valid during the callback only.
struct AccessRecord {
  std::string_view remote_addr;
  std::string_view method;
  std::string_view target;
  std::string_view app;  // empty: none was reached
  int status = 0;
  std::uint64_t bytes = 0;  // of the response, head included
  Seconds duration{};
  bool cut = false;
};
using AccessLog = std::function<void(const AccessRecord&)>;

}  // namespace moult

namespace moult::http {

class HttpConnection;

// Room for one connection's unread bytes: a whole head, and what comes behind it.
inline constexpr std::size_t kInputSize = 40 * 1024;
using InputBuffer = std::unique_ptr<char[]>;

// Buffers that no connection needs now. Idle connections hold none, so the same few warm ones serve
// all the traffic. One per server, loop thread.
class BufferPool {
 public:
  InputBuffer take() {
    if (free_.empty()) return std::make_unique_for_overwrite<char[]>(kInputSize);
    InputBuffer buffer = std::move(free_.back());
    free_.pop_back();
    return buffer;
  }
  void give(InputBuffer buffer) {
    if (free_.size() < kKept) free_.push_back(std::move(buffer));
  }

 private:
  static constexpr std::size_t kKept = 64;
  std::vector<InputBuffer> free_;
};

// What the connections of one server have in common. Owned by the server; loop thread.
struct HttpShared {
  HttpShared(uv::Loop& loop_in, Log& log_in, CallNumbers& numbers_in)
      : loop(loop_in), log(log_in), numbers(numbers_in) {}

  uv::Loop& loop;
  Log& log;
  CallNumbers& numbers;
  HeadLimits head_limits;
  Milliseconds header_timeout{};
  Milliseconds body_timeout{};
  Milliseconds idle_timeout{};
  Milliseconds send_timeout{};
  double min_rate = 0;  // bytes a second
  TrustedProxies trusted;
  HttpCounters counters;
  AccessLog access_log;
  DateCache date;
  BufferPool buffers;
  WaitingList waiting;
  bool stopping = false;  // responses carry Connection: close

  // Lets a connection act when the loop has seen all that was ready and is about to wait: write its
  // answer, start the request that waits in its buffer, tell its app that the client has gone, or be
  // deleted.
  std::function<void(HttpConnection&)> act_later;
};

// Who is at the other end of a connection, and how it came in.
struct Peer {
  std::string address{};  // numeric; empty on a unix socket
  std::string port{};
  bool trusted = false;      // its X-Forwarded-* headers are believed
  std::string local_host{};  // SERVER_NAME of a request without Host
  std::string local_port{};  // SERVER_PORT (RFC 3875 section 4.1.15); empty on a unix socket
};

}  // namespace moult::http
