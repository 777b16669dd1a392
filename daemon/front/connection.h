#pragma once

#include "daemon/front/front_shared.h"
#include "daemon/front/waiting_list.h"

#include <functional>
#include <optional>

namespace moult::http {

// One client's connection, whatever it speaks, as the server that owns it sees it: from accept to
// is_closed(). Loop thread.
class Connection {
 public:
  virtual ~Connection() = default;

  virtual void act() = 0;                  // after ConnectionShared::act_later
  virtual void sweep(SteadyTime now) = 0;  // judges the deadlines
  virtual void close_if_idle() = 0;        // nothing of a request has come; else it ends after its response
  // Closes for another that wants in, unless a request has come or it has not waited for a second yet.
  virtual bool make_room(SteadyTime now) = 0;
  // How slow its client is while it is waited for; nothing: it is not, or not too slow for anybody.
  struct Slow {
    double rate = 0;  // bytes a second
    Connection* connection = nullptr;
    CallTarget* calls = nullptr;  // null: it holds no worker
    int slow_max = 0;             // of that app
  };
  virtual std::optional<Slow> slowness(SteadyTime now) = 0;
  virtual void end_slow() = 0;  // for those that are not
  virtual void cut() = 0;       // at once; its call is cancelled
  virtual bool is_closed() const = 0;

  // For the server's deferred list: set while the connection is on it.
  bool act_scheduled = false;
};

// What the connections of one server have in common. Owned by the server; loop thread.
struct ConnectionShared : FrontShared {
  using FrontShared::FrontShared;

  Milliseconds header_timeout{};
  Milliseconds body_timeout{};
  Milliseconds idle_timeout{};
  Milliseconds send_timeout{};
  double min_rate = 0;  // bytes a second
  WaitingList waiting;
  bool stopping = false;  // each answer is its connection's last

  // Lets a connection act when the loop has seen all that was ready and is about to wait: write its
  // answer, start the request that waits in its buffer, tell its app that the client has gone, or be
  // deleted.
  std::function<void(Connection&)> act_later;
};

}  // namespace moult::http
