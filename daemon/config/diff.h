#pragma once

#include "daemon/config/config.h"

#include <string>
#include <vector>

namespace moult {

// What a change of an app's settings asks of the daemon; one or more are set for a changed app.
struct AppChange {
  std::string name;
  bool new_generation = false;    // what the interpreter is made from: tree, python, env, threads, …
  bool routes = false;            // routes, listen, static, max_body, debug: the routes are built anew
  bool watching = false;          // reload, watch, ignore, polling: the watcher is set up anew
  bool limits = false;            // the rest: read from the new AppConfig from now on
  std::vector<std::string> keys;  // TOML keys that differ, in the order of the documentation
};

// The difference of two configs, as a value: the daemon applies all of it or nothing. Apps are sorted
// by name.
struct ConfigChange {
  std::vector<std::string> added;
  std::vector<std::string> removed;
  std::vector<AppChange> changed;
  bool listeners = false;                // the set of addresses in use differs
  std::vector<std::string> daemon_keys;  // keys of moult.toml that differ

  bool empty() const { return added.empty() && removed.empty() && changed.empty() && daemon_keys.empty(); }
};

ConfigChange diff(const Config& old, const Config& now);

// Every address that is listened on, each once: the daemon's first, then the apps' own.
std::vector<ListenAddress> listeners_of(const Config& config);
// Where one app is reached: its own listeners, else the daemon's.
const std::vector<ListenAddress>& listeners_of(const Config& config, const AppConfig& app);

// "1 added (blog), 2 changed (shop: threads; api: env, python)": for the log and for moultctl.
std::string summary(const ConfigChange& change);

}  // namespace moult
