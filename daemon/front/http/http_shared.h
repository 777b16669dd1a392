#pragma once

#include "daemon/config/config.h"
#include "daemon/front/front_shared.h"
#include "daemon/front/http/http_head.h"
#include "daemon/front/http/waiting_list.h"
#include "daemon/front/response.h"

#include <functional>
#include <memory>
#include <vector>

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
struct HttpShared : FrontShared {
  using FrontShared::FrontShared;

  HeadLimits head_limits;
  Milliseconds header_timeout{};
  Milliseconds body_timeout{};
  Milliseconds idle_timeout{};
  Milliseconds send_timeout{};
  double min_rate = 0;  // bytes a second
  DateCache date;
  BufferPool buffers;
  WaitingList waiting;
  bool stopping = false;  // responses carry Connection: close

  // Lets a connection act when the loop has seen all that was ready and is about to wait: write its
  // answer, start the request that waits in its buffer, tell its app that the client has gone, or be
  // deleted.
  std::function<void(HttpConnection&)> act_later;
};

}  // namespace moult::http
