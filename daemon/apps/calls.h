#pragma once

#include "daemon/apps/supervisor.h"
#include "daemon/serve/call_lanes.h"
#include "daemon/serve/script_call.h"

#include <string>
#include <vector>

namespace moult {

// Calls of functions as the daemon carries them: those that come by caller lanes and those of the
// control socket, on their way to the apps. One, owned by the Daemon and destroyed before the
// Supervisor; loop thread only.
class Calls final : public CallerLanes, public CallDirectory {
 public:
  Calls(uv::Loop& loop, Log& log, const Supervisor& supervisor, CallNumbers& numbers)
      : supervisor_(supervisor), lanes_(loop, log, *this, numbers), scripts_(loop, numbers) {}

  ScriptCalls& scripts() { return scripts_; }

  void add(int host, Fd lane) override { lanes_.add(host, std::move(lane)); }
  void on_host_ended(int host) override { lanes_.on_host_ended(host); }

  CallTarget* find(const std::string& app) const override {
    const App* found = supervisor_.find(app);
    return found == nullptr ? nullptr : found->route_target().calls;
  }
  std::vector<std::string> names() const override { return supervisor_.names(); }

 private:
  const Supervisor& supervisor_;
  CallLanes lanes_;
  ScriptCalls scripts_;
};

}  // namespace moult
