#include "daemon/config/app_values.h"
#include "daemon/config/draft.h"
#include "daemon/config/entry.h"
#include "daemon/config/python_choice.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

namespace {

constexpr int kMaxWorkers = 1024;

// One address that is listened on, and who wrote it.
struct Listener {
  ListenAddress address;
  std::string owner;  // "app `blog`", "moult.toml"
};

std::string bound_host(const ListenAddress& address) {
  return address.host == "localhost" ? "127.0.0.1" : address.host;
}

bool is_any(const std::string& host) { return host == "0.0.0.0" || host == "::"; }

// The same socket: routes of both meet there.
std::string listener_key(const ListenAddress& address) {
  return address.is_unix() ? address.unix_path : fmt::format("{} {}", bound_host(address), address.port);
}

// Why the two cannot both be bound; "" when they can, or are one.
std::string conflict(const ListenAddress& a, const ListenAddress& b) {
  if (listener_key(a) == listener_key(b) && a.wire != b.wire && (a.is_unix() || a.port != 0))
    return "with another protocol";
  if (a.is_unix() || b.is_unix()) {
    const bool differ = a.unix_path == b.unix_path && (a.mode != b.mode || a.group != b.group);
    return differ ? "with another mode or group" : "";
  }
  if (a.port != b.port || a.port == 0 || bound_host(a) == bound_host(b)) return {};
  const bool same_family = (a.host.find(':') == std::string::npos) == (b.host.find(':') == std::string::npos);
  return same_family && (is_any(a.host) || is_any(b.host))
             ? "which takes the port on all addresses or is part of them"
             : "";
}

bool usable(const AppDraft& app) {
  return app.bad_keys.count("routes") == 0 && app.bad_keys.count("listen") == 0;
}

void check_listeners(const std::vector<ListenAddress>& addresses, const std::string& owner,
                     const Origin& origin, std::vector<Listener>& taken, ConfigErrors& errors) {
  for (const ListenAddress& address : addresses) {
    for (const Listener& other : taken) {
      const std::string why = conflict(address, other.address);
      if (why.empty()) continue;
      errors.push_back(config_error(origin,
                                    fmt::format("listen: {} conflicts with {} of {}, {}", to_string(address),
                                                to_string(other.address), other.owner, why),
                                    "apps may share a listener: write it the same way in both"));
      break;
    }
    taken.push_back(Listener{address, owner});
  }
}

using TakenRoutes = std::map<std::string, const AppDraft*>;

void check_routes(const AppDraft& app, const std::vector<ListenAddress>& listeners, TakenRoutes& taken,
                  ConfigErrors& errors) {
  const std::vector<RoutePattern> everything{RoutePattern{}};
  const auto& routes = app.config.routes.empty() ? everything : app.config.routes;
  for (const RoutePattern& route : routes) {
    for (const ListenAddress& address : listeners) {
      const std::string key = fmt::format("{} {}", listener_key(address), to_string(route));
      const auto [place, free] = taken.emplace(key, &app);
      if (free) continue;
      const AppDraft& other = *place->second;
      const Origin there = other.origin("routes");
      errors.push_back(config_error(
          app.origin("routes"),
          fmt::format("routes: \"{}\" on {} is taken by app `{}` ({}:{})", to_string(route),
                      to_string(address), other.config.name, there.file, there.line),
          app.config.routes.empty()
              ? fmt::format("an app without `route` takes all; write route = \"/{}\"", app.config.name)
              : "give one of them another host or path"));
      break;  // once per route, not per listener
    }
  }
}

}  // namespace

void finish_app(AppDraft& app, ConfigErrors& errors) {
  AppConfig& config = app.config;
  const auto good = [&](const char* key) { return app.bad_keys.count(key) == 0; };
  if (config.tree.empty() && good("tree")) {
    errors.push_back(
        config_error(app.origin("tree"), "tree: missing", "name the app's folder: tree = \"PATH\""));
  } else if (config.entry.empty() && good("tree") && good("entry")) {
    // Code that is not there (yet, or any more) is no fault of the config: the app is told so when it
    // is made, the other apps are served, and the app's own last snapshot can be.
    const auto there = entries_in(config.tree);
    config.entry = there.empty() ? entry_names().front() : there.front();
  }
  // Neither what the daemon's shell has activated nor its PATH decides: one that cron starts has others.
  if (good("python") && good("venv") && good("tree")) choose_python(config, {.folders = {config.tree}});
  if (config.settle > config.settle_max && good("settle") && good("settle_max")) {
    errors.push_back(
        config_error(app.origin(app.origins.count("settle") ? "settle" : "settle_max"),
                     fmt::format("settle: {} is longer than settle_max, {}", duration_text(config.settle),
                                 duration_text(config.settle_max))));
  }
  if (config.threads * config.interpreters > kMaxWorkers) {
    errors.push_back(
        config_error(app.origin("interpreters"),
                     fmt::format("interpreters: {} with {} threads each are more than {} workers",
                                 config.interpreters, config.threads, kMaxWorkers)));
  }
  if (config.gil == GilMode::own && config.isolation == Isolation::process) {
    errors.push_back(config_error(app.origin("gil"),
                                  "gil: \"own\" has no meaning with isolation = \"process\"",
                                  "leave `gil` out: a process has a GIL of its own"));
  }
}

void check_apps(const DaemonDraft& daemon, const std::vector<AppDraft>& apps, ConfigErrors& errors) {
  std::vector<Listener> taken;
  const bool daemon_good = daemon.bad_keys.count("listen") == 0;
  if (daemon_good)
    check_listeners(daemon.config.listen, "moult.toml", daemon.origin("listen"), taken, errors);
  TakenRoutes routes;
  for (const AppDraft& app : apps) {
    if (!usable(app)) continue;
    const bool own = !app.config.listen.empty();
    if (own)
      check_listeners(app.config.listen, fmt::format("app `{}`", app.config.name), app.origin("listen"),
                      taken, errors);
    if (!own && !daemon_good) continue;
    const auto& listeners = own ? app.config.listen : daemon.config.listen;
    if (listeners.empty()) {
      errors.push_back(config_error(app.origin("listen"),
                                    "listen: the app listens nowhere: moult.toml has an empty `listen`",
                                    "write listen = \"127.0.0.1:8000\" in one of them"));
    }
    check_routes(app, listeners, routes, errors);
  }
}

}  // namespace moult
