#pragma once

#include "daemon/front/connection.h"
#include "daemon/front/http/http_head.h"
#include "daemon/front/response.h"

#include <memory>
#include <vector>

namespace moult::http {

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

// What the HTTP connections of one server have in common. Owned by the server; loop thread.
struct HttpShared : ConnectionShared {
  using ConnectionShared::ConnectionShared;

  HeadLimits head_limits;
  DateCache date;
  BufferPool buffers;
};

}  // namespace moult::http
