#include "daemon/daemon.h"

#include "daemon/methods/commands.h"
#include "ipc/base/content_hash.h"
#include "ipc/base/descriptor_limit.h"

#include <fmt/format.h>

#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace moult {

namespace {

std::string folder_of_program() {
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return ".";
  const std::string program(path, static_cast<std::size_t>(length));
  return program.substr(0, program.rfind('/'));
}

std::string host_modules(const Surroundings& surroundings) {
  const std::string asked = surroundings.variable("MOULT_MODULES");
  return asked.empty() ? folder_of_program() + "/../lib/moult" : asked;
}

// The same folder has the same name wherever the daemon is started: the lock goes by it.
std::string chosen_folder(const Surroundings& surroundings, const DaemonOptions& options) {
  if (options.config.empty()) return config_folder(surroundings);
  std::error_code error;
  const auto folder = std::filesystem::weakly_canonical(options.config, error);
  return error ? options.config : folder.string();
}

tl::unexpected<ConfigErrors> stop(Error error) { return tl::unexpected(ConfigErrors{std::move(error)}); }

}  // namespace

Daemon::Daemon(uv::Loop& loop, Log& log, DaemonOptions options, Surroundings surroundings)
    : loop_(loop),
      log_(log),
      options_(std::move(options)),
      surroundings_(std::move(surroundings)),
      started_(Steady::now()),
      started_wall_(std::chrono::system_clock::now()),
      launcher_(loop, host_modules(surroundings_)),
      soon_(loop),
      stop_poll_(loop) {
  boot_ =
      fmt::format("{:x}", std::chrono::duration_cast<Milliseconds>(started_wall_.time_since_epoch()).count());
}

Daemon::~Daemon() {
  // Their timers outlive us in the loop, and what they would ask is ours.
  for (const auto& one : pending_) {
    if (const auto open = one.lock()) open->fail({ErrorCode::interrupted, "the daemon stops"});
  }
  signals_.clear();
  config_watch_.reset();
  status_.reset();
  control_.reset();
  http_.reset();
  if (services_) services_->callers = nullptr;
  calls_.reset();
  supervisor_.reset();
}

tl::expected<void, ConfigErrors> Daemon::start(Inheritance inheritance) {
  auto config = read_config();
  if (!config) return tl::unexpected(config.error());
  config_ = std::move(*config);
  if (auto locked = take_lock(std::move(inheritance.lock)); !locked) return stop(locked.error());

  std::string state = options_.state.empty() ? moult::state_folder(surroundings_) : options_.state;
  if (options_.command == DaemonCommand::run && options_.state.empty()) {
    // What one file had served must not be taken for the past of another with the same name.
    const AppConfig& app = config_.apps.at(0);
    state += "/run/" + hash_of(app.tree + "\n" + app.entry).short_hex();
  }
  auto pasts = read_pasts(state, config_, {});
  if (!pasts) return stop(pasts.error());
  inotify_ = std::make_unique<Inotify>(loop_);
  probes_ = std::make_unique<PythonProbes>(loop_);
  events_ = std::make_unique<control::EventLog>(loop_, boot_);
  bridge_ = std::make_unique<EventBridge>(*events_);
  services_ = std::make_unique<Services>(Services{loop_, log_, *bridge_, *inotify_, *probes_, lane_rounds_,
                                                  nullptr, state, options_.command == DaemonCommand::run});
  services_->cache_folder = moult::cache_folder(surroundings_);
  supervisor_ = std::make_unique<Supervisor>(*services_, launcher_);
  calls_ = std::make_unique<Calls>(loop_, log_, *supervisor_, services_->numbers);
  services_->callers = calls_.get();
  http_ = std::make_unique<HttpServer>(loop_, log_, services_->numbers, config_.daemon);
  if (config_.daemon.access_log) http_->set_access_log(access_log_to(log_));
  reserve_descriptors(config_);
  if (auto listening = listen_to(config_, inheritance); !listening) return stop(listening.error());
  if (auto opened = open_control(inheritance); !opened) return stop(opened.error());
  arm_signals();
  supervisor_->start(config_, std::move(*pasts));
  fill_routes(config_);
  watch_config();
  tell_start();
  tell_unused(inheritance);
  return {};
}

tl::expected<Config, ConfigErrors> Daemon::read_config() const {
  if (options_.command != DaemonCommand::run) return load_config(chosen_folder(surroundings_, options_));
  char folder[4096];
  if (::getcwd(folder, sizeof folder) == nullptr) return stop(last_os_error("the current folder"));
  auto config = config_for_run(options_.run, folder);
  if (!config) return stop(config.error());
  return std::move(*config);
}

Result<> Daemon::take_lock(std::optional<InstanceLock> inherited) {
  MOULT_ASSIGN(const SocketPaths paths, socket_paths(surroundings_));
  control_path_ = paths.control;
  if (options_.command == DaemonCommand::run) return {};
  config_folder_ = chosen_folder(surroundings_, options_);
  lock_ = std::move(inherited);
  if (lock_) return {};
  MOULT_ASSIGN(lock_, InstanceLock::acquire(lock_path(surroundings_, config_folder_),
                                            {::getpid(), control_path_, config_folder_}));
  return {};
}

Result<> Daemon::open_control(Inheritance& inheritance) {
  serve_methods(methods_, *this, *events_);
  MOULT_ASSIGN(const SocketPaths paths, socket_paths(surroundings_));
  if (paths.own_folder) MOULT_TRY(make_private_folder(paths.folder, surroundings_.uid));
  auto control = control::Server::listen(loop_, methods_, log_, paths.control, control::Access::change, {},
                                         inheritance.take_unix(paths.control));
  std::string status_path = paths.status;
  if (!control && options_.command == DaemonCommand::run) {
    // Another daemon has the usual place; this one is found by its own name.
    control_path_ = fmt::format("{}/run-{}.sock", paths.folder, ::getpid());
    status_path = fmt::format("{}/run-{}-status.sock", paths.folder, ::getpid());
    control = control::Server::listen(loop_, methods_, log_, control_path_, control::Access::change);
    if (control)
      log_.info(fmt::format("another daemon runs; this one answers to: moultctl -s {}", control_path_));
  }
  if (!control) return fail(control.error());
  control_ = std::move(*control);
  auto status = control::Server::listen(loop_, methods_, log_, status_path, control::Access::read, {},
                                        inheritance.take_unix(status_path));
  if (status) {
    status_ = std::move(*status);
  } else {
    log_.warning(fmt::format("no status socket: {}", status.error().message));
  }
  return {};
}

// Binds what is new and not inherited; what is bound already stays as it is.
Result<> Daemon::listen_to(const Config& config, Inheritance& inheritance) {
  std::vector<ListenAddress> fresh;
  for (const ListenAddress& address : listeners_of(config)) {
    auto& routes = routes_[to_string(address)];
    if (routes) continue;
    routes = std::make_unique<Routes>();
    Fd inherited = inheritance.take(address);
    auto listening =
        inherited ? http_->adopt(std::move(inherited), address, *routes) : http_->listen(address, *routes);
    if (listening) {
      fresh.push_back(address);
      continue;
    }
    routes_.erase(to_string(address));
    for (const ListenAddress& bound : fresh) close_listener(bound);
    return fail(std::move(listening.error()));
  }
  return {};
}

void Daemon::stop_listening_to_others(const Config& config) {
  const std::vector<ListenAddress> wanted = listeners_of(config);
  for (const ListenAddress& address : listeners_of(config_)) {
    if (std::find(wanted.begin(), wanted.end(), address) != wanted.end()) continue;
    close_listener(address);
  }
}

// Connections that came by this listener live on, and so do its routes.
void Daemon::close_listener(const ListenAddress& address) {
  http_->stop_listening(address);
  old_routes_.push_back(std::move(routes_[to_string(address)]));
  routes_.erase(to_string(address));
}

void Daemon::watch_config() {
  const bool wanted = options_.command == DaemonCommand::serve && config_.daemon.reload == Toggle::on;
  if (wanted == (config_watch_ != nullptr)) return;
  config_watch_.reset();
  if (!wanted) return;
  config_watch_ =
      std::make_unique<ConfigWatch>(loop_, *inotify_, config_folder_, [this] { reload_config({}); });
}

void Daemon::fill_routes(const Config& config) {
  for (const ListenAddress& address : listeners_of(config)) {
    *routes_.at(to_string(address)) = supervisor_->routes_for(config, address);
  }
}

void Daemon::reserve_descriptors(const Config& config) {
  std::size_t lanes = 0;
  for (const AppConfig& app : config.apps)
    lanes += static_cast<std::size_t>(app.interpreters) * (1 + static_cast<std::size_t>(app.threads));
  http_->reserve_descriptors(descriptor_reserve(config.apps.size(), lanes, descriptor_limit()));
}

tl::expected<Daemon::Loaded, ConfigErrors> Daemon::load(const std::string& folder, const std::string& state,
                                                        const std::vector<std::string>& known) {
  auto config = load_config(folder);
  if (!config) return tl::unexpected(config.error());
  auto pasts = read_pasts(state, *config, known);
  if (!pasts) return stop(pasts.error());
  return Loaded{std::move(*config), std::move(*pasts)};
}

void Daemon::reload_config(Reloaded reloaded) {
  if (options_.command == DaemonCommand::run || phase_ != Phase::running) {
    if (reloaded) {
      reloaded(stop({ErrorCode::failed, options_.command == DaemonCommand::run
                                            ? "moultd run has no config to reload"
                                            : "the daemon is stopping"}));
    }
    return;
  }
  if (reloading_) {
    reload_again_.push_back(std::move(reloaded));
    return;
  }
  reloading_ = true;
  using Shared = std::shared_ptr<tl::expected<Loaded, ConfigErrors>>;
  uv::compute_in_background<Shared>(
      loop_, {uv::Work::other, "config"},
      [folder = config_folder_, state = state_folder(), known = supervisor_->names()] {
        return std::make_shared<tl::expected<Loaded, ConfigErrors>>(load(folder, state, known));
      },
      [this, reloaded = std::move(reloaded)](const Shared& loaded) {
        reloading_ = false;
        auto applied = phase_ == Phase::running ? apply(std::move(*loaded))
                                                : stop({ErrorCode::interrupted, "the daemon is stopping"});
        if (reloaded) reloaded(std::move(applied));
        if (reload_again_.empty()) return;
        auto waiting = std::exchange(reload_again_, {});
        reload_config([waiting](const tl::expected<ConfigChange, ConfigErrors>& result) {
          for (const Reloaded& one : waiting) {
            if (one) one(result);
          }
        });
      });
}

tl::expected<ConfigChange, ConfigErrors> Daemon::apply(tl::expected<Loaded, ConfigErrors> loaded) {
  const auto refuse = [&](ConfigErrors errors) {
    config_errors_ = errors;
    log_.error("the changed configuration was not applied: what runs stays as it is");
    std::vector<std::string> texts;
    for (const Error& error : errors) {
      log_.error(describe(error));
      texts.push_back(describe(error));
    }
    bridge_->event("config.rejected", "", {{"errors", std::move(texts)}});
    return tl::unexpected(std::move(errors));
  };
  if (!loaded) return refuse(loaded.error());
  Config& config = loaded->config;
  ConfigChange change = diff(config_, config);
  const bool was_refused = !std::exchange(config_errors_, {}).empty();
  if (change.empty()) {
    if (was_refused) {
      log_.info("the configuration on disk is valid again, and what is in force already");
      bridge_->event(
          "config.applied", "",
          {{"added", change.added}, {"removed", change.removed}, {"changed", std::vector<std::string>()}});
    }
    return change;
  }
  Inheritance nothing;
  if (auto listening = listen_to(config, nothing); !listening) return refuse({listening.error()});
  http_->configure(config.daemon);
  reserve_descriptors(config);
  for (const std::string& name : change.removed) {
    const App* gone = supervisor_->find(name);
    for (const auto& routes : old_routes_) {
      if (gone != nullptr) routes->remove(gone->route_target());
    }
  }
  supervisor_->apply(config, change, std::move(loaded->pasts));
  stop_listening_to_others(config);
  config_ = std::move(config);
  fill_routes(config_);
  soon_.start(Milliseconds(0), [this] { watch_config(); });
  http_->set_access_log(config_.daemon.access_log ? access_log_to(log_) : AccessLog());
  log_.info(fmt::format("configuration applied: {}", summary(change)));
  std::vector<std::string> changed;
  for (const AppChange& app : change.changed) changed.push_back(app.name);
  bridge_->event("config.applied", "",
                 {{"added", change.added}, {"removed", change.removed}, {"changed", changed}});
  return change;
}

std::vector<std::string> Daemon::urls_of(const AppConfig& app) const {
  std::vector<std::string> urls;
  std::vector<RoutePattern> routes = app.routes;
  if (routes.empty()) routes.emplace_back();
  for (const ListenAddress& address : listeners_of(config_, app)) {
    std::string base = to_string(address);
    if (address.wire == Wire::http && !address.is_unix()) {
      ListenAddress bound = address;
      bound.port = http_->port_of(address).value_or(address.port);
      base = "http://" + to_string(bound);
    }
    for (const RoutePattern& route : routes) {
      urls.push_back(fmt::format("{}{}{}", base, route.prefix.empty() ? "/" : route.prefix,
                                 route.host.empty() ? "" : fmt::format(" (host {})", route.host)));
    }
  }
  return urls;
}

void Daemon::tell_start() {
  for (const ListenAddress& address : http_->addresses()) {
    if (!log_.is_brief()) log_.info("listening", {{"address", to_string(address)}});
  }
  log_.debug("control socket", {{"path", control_path_}});
  bridge_->event("daemon.started", "", {{"pid", static_cast<std::int64_t>(::getpid())}});
  if (options_.command == DaemonCommand::run) {
    const AppConfig& app = config_.apps.at(0);
    for (const std::string& url : urls_of(app))
      log_.info(fmt::format("serving {} of {} at {}", app.entry, app.tree, url));
    log_.info(fmt::format("it runs in: {}", app.python_note.empty() ? python_of(app) : app.python_note));
  } else if (config_.apps.empty()) {
    log_.warning(fmt::format("no apps are configured: put one file per app into {}/apps", config_folder_));
  }
}

void Daemon::tell_unused(const Inheritance& inheritance) {
  for (const std::string& fault : inheritance.faults) log_.warning(fault);
  for (const auto& [address, socket] : inheritance.sockets)
    log_.warning(
        fmt::format("{} was passed on to us, but no `listen` of the configuration names it", address));
}

void Daemon::arm_signals() {
  for (const int number : {SIGTERM, SIGINT}) {
    signals_.push_back(std::make_unique<uv::Signal>(loop_, number, [this] { shut_down(std::nullopt); }));
  }
  signals_.push_back(std::make_unique<uv::Signal>(loop_, SIGHUP, [this] {
    // Without a config it can only mean that the terminal was closed.
    if (options_.command == DaemonCommand::run) return shut_down(std::nullopt);
    reload_config({});
  }));
  // Logs of apps are opened for each write.
  signals_.push_back(std::make_unique<uv::Signal>(loop_, SIGUSR1, [this] { log_.reopen(); }));
  signals_.push_back(std::make_unique<uv::Signal>(loop_, SIGUSR2, [this] { tell_state(); }));
}

std::shared_ptr<Pending> Daemon::pending(control::Reply reply, Milliseconds deadline, std::string what) {
  std::erase_if(pending_, [](const auto& one) { return one.expired(); });
  auto made = Pending::make(loop_, std::move(reply), deadline, std::move(what));
  pending_.push_back(made);
  return made;
}

}  // namespace moult
