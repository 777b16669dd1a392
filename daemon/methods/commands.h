#pragma once

#include "control/event_log.h"
#include "control/method.h"
#include "daemon/front/http/http_server.h"

namespace moult {

class App;
class Daemon;

// Registers every method of docs/control.md. `daemon` and `events` must outlive `methods`' calls.
void serve_methods(control::Methods& methods, Daemon& daemon, control::EventLog& events);

// The parts of it, by file.
void serve_app_commands(control::Methods& methods, Daemon& daemon);   // commands_apps.cpp: what changes apps
void serve_app_views(control::Methods& methods, Daemon& daemon);      // commands_views.cpp: what shows them
void serve_call_commands(control::Methods& methods, Daemon& daemon);  // commands_calls.cpp
void serve_code_views(control::Methods& methods,
                      Daemon& daemon);  // commands_code.cpp: what code a generation has
void serve_host_commands(control::Methods& methods, Daemon& daemon);    // commands_hosts.cpp
void serve_daemon_commands(control::Methods& methods, Daemon& daemon);  // commands_daemon.cpp

// A method of one app, which its parameter `app` names: finds it, or answers that there is none.
using NamedCommand =
    std::function<void(Daemon& daemon, App& app, const control::Json& params, control::Reply reply)>;
void serve_named(control::Methods& methods, Daemon& daemon, std::string_view method, NamedCommand command);

// The parameter `generation`. The spare is none, so that 0 names nothing.
std::optional<std::uint64_t> generation_of(const control::Json& params);

// Access lines to the daemon's log.
AccessLog access_log_to(Log& log);

}  // namespace moult
