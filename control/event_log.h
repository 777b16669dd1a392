#pragma once

#include "control/event_ring.h"
#include "control/method.h"
#include "ipc/uv/loop.h"

#include <list>
#include <string>
#include <string_view>

namespace moult::control {

// What happened, for `moultctl events`, and the streams that follow it. One per daemon, owned by
// main; outlives the Methods that it serves. Streams end with their client, with their limit or
// with the log. Loop thread only.
class EventLog {
 public:
  static constexpr std::size_t kCapacity = 4096;
  static constexpr std::chrono::seconds kHeartbeat{15};

  // `boot` names this run of the daemon in cursors, so that those of an earlier run are known as
  // such: letters and digits.
  EventLog(uv::Loop& loop, std::string boot, std::size_t capacity = kCapacity);
  ~EventLog();

  // Notes an event and sends it to all streams that want it. `app` may be empty.
  void add(std::string_view event, std::string_view app, const Json& data);
  void add(std::string_view event, std::string_view app);

  std::string cursor() const { return ring_.cursor(); }
  void serve(Methods& methods);  // "events"
  void end_streams();            // answers them all; more can begin

 private:
  struct Stream;
  void handle(const Json& params, Reply reply);
  void follow(EventFilter filter, std::uint64_t left, Reply reply);
  void drop(const Stream* stream);
  void beat();

  EventRing ring_;
  std::list<Stream> streams_;
  uv::Timer heartbeat_;
};

}  // namespace moult::control
