#pragma once

#include "control/event_log.h"
#include "daemon/serve/services.h"

namespace moult {

// Hands the supervisor's events to the control socket's event log as JSON. One per daemon.
class EventBridge final : public EventSink {
 public:
  explicit EventBridge(control::EventLog& log) : log_(log) {}
  void event(std::string_view name, const std::string& app, EventData data) override;

 private:
  control::EventLog& log_;
};

}  // namespace moult
