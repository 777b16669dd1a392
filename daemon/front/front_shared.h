#pragma once

#include "daemon/front/forwarded.h"
#include "daemon/serve/call.h"
#include "ipc/base/log.h"
#include "ipc/uv/loop.h"

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

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

// What all requests of one server have in common, whatever wire they come over. Owned by the server; loop
// thread.
struct FrontShared {
  FrontShared(uv::Loop& loop_in, Log& log_in, CallNumbers& numbers_in)
      : loop(loop_in), log(log_in), numbers(numbers_in) {}

  uv::Loop& loop;
  Log& log;
  CallNumbers& numbers;
  TrustedProxies trusted;
  HttpCounters counters;
  AccessLog access_log;
};

// Who is at the other end of a connection, and how it came in.
struct Peer {
  std::string address{};  // numeric; empty on a unix socket
  std::string port{};
  bool trusted = false;      // its X-Forwarded-* headers are believed
  std::string local_host{};  // SERVER_NAME of a request without Host
  std::string local_port{};  // SERVER_PORT (RFC 3875 section 4.1.15); empty on a unix socket
  bool https = false;        // a front server said so in words of its own
};

}  // namespace moult::http
