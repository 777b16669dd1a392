#pragma once

#include "control/event_log.h"
#include "control/method.h"
#include "control/server.h"
#include "daemon/apps/calls.h"
#include "daemon/apps/config_watch.h"
#include "daemon/apps/supervisor.h"
#include "daemon/config/instance_lock.h"
#include "daemon/config/options.h"
#include "daemon/config/paths.h"
#include "daemon/front/http/http_server.h"
#include "daemon/inheritance.h"
#include "daemon/methods/events.h"
#include "daemon/methods/pending.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace moult {

// The whole daemon: builds the parts, wires them, starts and stops them in order. One per process,
// owned by main; loop thread only. Ends through shut_down(), which stops the loop.
class Daemon {
 public:
  Daemon(uv::Loop& loop, Log& log, DaemonOptions options, Surroundings surroundings);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // All errors of the configuration, or the one that stops the start.
  // What it inherits it does not make; what of that it has no use for is said and closed.
  tl::expected<void, ConfigErrors> start(Inheritance inheritance = {});

  // Lets calls in flight end, ends apps and hosts, then stops the loop (shutdown.cpp). A second call
  // goes on at once, a third one kills. `deadline`: for all apps, in place of their drain_timeout.
  void shut_down(std::optional<Milliseconds> deadline);

  // Reads the files again in the background and applies them, all or nothing.
  using Reloaded = std::function<void(tl::expected<ConfigChange, ConfigErrors>)>;
  void reload_config(Reloaded reloaded);

  // For the methods of the control socket.
  uv::Loop& loop() { return loop_; }
  // An answer that takes time; one that is still open when the daemon ends is answered then.
  std::shared_ptr<Pending> pending(control::Reply reply, Milliseconds deadline, std::string what);
  Supervisor& supervisor() { return *supervisor_; }
  const Supervisor& supervisor() const { return *supervisor_; }
  const Config& config() const { return config_; }
  const ConfigErrors& config_errors() const { return config_errors_; }
  // Why the config folder is not watched by inotify; empty: it is, or nobody wants it to be.
  std::string config_note() const { return config_watch_ ? config_watch_->note() : ""; }
  Calls& calls() { return *calls_; }
  const HttpServer& http() const { return *http_; }
  const std::string& state_folder() const { return services_->state_folder; }
  const std::string& cache_folder() const { return services_->cache_folder; }
  const std::string& control_path() const { return control_path_; }
  const std::string& module_folder() const { return launcher_.module_folder(); }
  const std::string& boot() const { return boot_; }
  SteadyTime started() const { return started_; }
  WallTime started_wall() const { return started_wall_; }
  std::vector<std::string> urls_of(const AppConfig& app) const;

 private:
  tl::expected<Config, ConfigErrors> read_config() const;
  Result<> take_lock(std::optional<InstanceLock> inherited);
  Result<> open_control(Inheritance& inheritance);
  Result<> listen_to(const Config& config, Inheritance& inheritance);
  void stop_listening_to_others(const Config& config);
  void close_listener(const ListenAddress& address);
  void watch_config();
  // What a reload has read, away from the loop.
  struct Loaded {
    Config config;
    AppPasts pasts;  // of the apps that come
  };
  static tl::expected<Loaded, ConfigErrors> load(const std::string& folder, const std::string& state,
                                                 const std::vector<std::string>& known);
  tl::expected<ConfigChange, ConfigErrors> apply(tl::expected<Loaded, ConfigErrors> loaded);
  void fill_routes(const Config& config);
  void reserve_descriptors(const Config& config);
  void tell_start();
  void tell_unused(const Inheritance& inheritance);
  void tell_state();  // state_dump.cpp
  void arm_signals();
  void go_on_stopping();
  void close_listeners();
  void end_apps();

  uv::Loop& loop_;
  Log& log_;
  DaemonOptions options_;
  Surroundings surroundings_;
  Config config_;
  ConfigErrors config_errors_;
  std::string config_folder_;
  std::string control_path_;
  std::string boot_;
  SteadyTime started_;
  WallTime started_wall_;

  std::optional<InstanceLock> lock_;
  std::unique_ptr<Inotify> inotify_;
  std::unique_ptr<PythonProbes> probes_;
  LaneRounds lane_rounds_{loop_};
  std::unique_ptr<control::EventLog> events_;
  std::unique_ptr<EventBridge> bridge_;
  std::unique_ptr<Services> services_;
  ExecLauncher launcher_;
  std::unique_ptr<Supervisor> supervisor_;
  std::unique_ptr<Calls> calls_;
  std::map<std::string, std::unique_ptr<Routes>> routes_;  // by the listener's address as configured
  std::vector<std::unique_ptr<Routes>> old_routes_;        // of closed listeners; connections may know them
  std::unique_ptr<HttpServer> http_;
  control::Methods methods_;
  std::unique_ptr<control::Server> control_;
  std::unique_ptr<control::Server> status_;
  std::unique_ptr<ConfigWatch> config_watch_;  // none with `reload = "off"`
  uv::Timer soon_;                             // ends the watch outside of its own callback
  std::vector<std::unique_ptr<uv::Signal>> signals_;
  std::vector<std::weak_ptr<Pending>> pending_;
  bool reloading_ = false;
  std::vector<Reloaded> reload_again_;
  enum class Phase { running, draining, closing, ending } phase_ = Phase::running;
  Stopping stopping_;
  uv::Timer stop_poll_;
};

}  // namespace moult
