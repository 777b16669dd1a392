#pragma once

#include "daemon/apps/app_past.h"
#include "daemon/apps/call_routes.h"
#include "daemon/config/diff.h"
#include "daemon/moult/moulting.h"
#include "daemon/route/routes.h"
#include "daemon/serve/dispatcher.h"
#include "daemon/watch/settle.h"
#include "daemon/watch/tree_watcher.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace moult {

// The states of docs/control.md.
enum class AppState { stopped, starting, running, reloading, degraded, backoff, failed };
std::string_view to_string(AppState state);

// One configured app: its calls, its watcher, its generations and its log. Owned by the Supervisor;
// loop thread only. It ends with stop(), after which it may be destroyed or started again.
class App final : public Moulting::Owner {
 public:
  App(Services& services, AppConfig config, AppPast past);
  ~App() override;
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  void start(Moulting::Waiter waiter);
  // Calls in flight finish, others get 503. `done` when nothing of the app is left.
  enum class Remember { no, yes };  // stopped until `start`, also over a restart of the daemon
  void stop(Remember remember, std::function<void()> done);
  // reload, restart, check: what a person asked for.
  void request(CauseKind kind, bool forced, const std::string& detail, Moulting::Waiter waiter);
  Result<> roll_back(std::optional<std::uint64_t> generation, Moulting::Waiter waiter);
  enum class Freeze { frozen, thawed };
  bool set_frozen(Freeze freeze);  // false: it was so already
  // A deploy (app_deploy.cpp): until end_deploy(), for `longest` at most, changes on disk wait. The end
  // makes one generation of them all. False: it was open already, and its deadline was moved; or
  // there was none to end, and the disk is looked at all the same.
  bool begin_deploy(Milliseconds longest);
  bool end_deploy(Moulting::Waiter waiter);
  const std::optional<Deploy>& deploy() const { return moulting_.record().deploy; }
  // The last one, when its deadline ended it; until the next begin or end.
  const std::optional<Deploy>& lapsed_deploy() const { return lapsed_deploy_; }
  // New settings. `change` says what they touch.
  void apply(AppConfig config, const AppChange& change);
  void leave_host(const Host& host) { moulting_.leave_host(host); }
  // Nobody can take the GIL of that host, because of the one who is to blame; or it can be taken again.
  void on_host_stalled(const Host& host, const Blame& blame);
  void on_host_revived(const Host& host);
  // Of an interpreter of its own with a GIL of its own.
  void on_stalled_alone(const std::string& evidence);
  void on_revived();
  void note_trouble(std::string_view what, const std::string& story);
  // Why it lives in hosts of its own; "".
  std::string apart() const;
  // True: there are calls to watch.
  bool sweep(SteadyTime now);
  // Called when there is something to sweep after a time without.
  void set_on_busy(std::function<void()> on_busy);

  AppState state() const;
  std::string note() const;  // why it is not simply running; ""
  const AppConfig& config() const { return config_; }
  RouteTarget& route_target() { return route_target_; }
  const RouteTarget& route_target() const { return route_target_; }
  Moulting& moulting() { return moulting_; }
  const Moulting& moulting() const { return moulting_; }
  const Dispatcher& dispatcher() const { return dispatcher_; }
  const CallStats& stats() const { return stats_; }
  AppLog& log() { return log_; }
  const AppLog& log() const { return log_; }
  const WhyLog& why() const { return why_; }
  const Settle& settle() const { return settle_; }
  WatchStatus watch_status() const;
  std::string watch_word() const;  // inotify, polling, off, frozen, deploy, pinned
  // With reload off: something changed on the disk after the active generation was made.
  bool disk_may_differ() const;
  bool is_frozen() const { return settle_.is_frozen(); }
  int running() const;
  SteadyTime serving_since() const { return serving_since_; }
  WallTime last_change() const { return last_change_; }

 private:
  void on_state_changed() override;
  void on_switched(Generation& active) override;
  void on_files_used(Generation& generation, const std::vector<std::string>& files) override;
  void on_files_written(const std::vector<std::string>& files) override;
  void on_log_line(std::uint64_t generation, char stream, std::string_view line) override;
  void on_asked(Generation& generation, const std::string& what) override;
  void on_all_ended() override;

  void reload_for_itself();

  void on_change(const Change& change);
  void tell_prospect();
  void begin_start();
  void arm_settle();
  void ask_who_writes(std::vector<std::string> files);
  void on_settled();
  void restore_deploy();
  bool close_deploy(const std::string& how);
  void on_deploy_lapsed();
  void watch(const std::vector<std::string>& packages);
  void watch_files_used(const std::vector<std::string>& files);
  void fill_route_target();
  void watch_drains();

  Services& services_;
  AppConfig config_;
  CallStats stats_;
  WhyLog why_;
  AppLog log_;
  CallRoutes call_routes_;
  Dispatcher dispatcher_;
  Moulting moulting_;
  RouteTarget route_target_;
  Settle settle_;
  uv::Timer settle_timer_;
  uv::Timer deploy_timer_;
  uv::Timer own_reload_;  // what the app asks for itself waits for it
  bool wants_reload_ = false;
  std::optional<Deploy> lapsed_deploy_;
  std::unique_ptr<TreeWatcher> watcher_;
  WatchSpec watched_;
  AppState told_state_ = AppState::stopped;
  std::function<void()> on_busy_;
  bool started_ = false;
  bool awaiting_watch_ = false;  // of the first scan, after which the first snapshot is taken
  Moulting::Waiter start_waiter_;
  SteadyTime serving_since_{};
  WallTime last_change_{};
  std::vector<std::function<void()>> stop_waiters_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // callbacks of others hold it weakly
};

}  // namespace moult
