#include "daemon/daemon.h"
#include "daemon/methods/status.h"

#include <nlohmann/json.hpp>

namespace moult {

// SIGUSR2: for one who has a shell and a log, and no answer from the control socket.
void Daemon::tell_state() {
  const auto tell = [this](std::string_view what, const control::Json& page) {
    log_.info(fmt::format("state of {}: {}", what,
                          page.dump(-1, ' ', false, control::Json::error_handler_t::replace)));
  };
  tell("the daemon", daemon_page(*this));
  for (const control::Json& host : host_rows(*supervisor_, supervisor_->hosts())) tell("a host", host);
  for (const App* app : supervisor_->apps()) tell(app->config().name, list_row(*app));
}

}  // namespace moult
