#pragma once

#include "daemon/apps/app.h"
#include "daemon/config/diff.h"
#include "daemon/serve/services.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace moult {

// How long calls may go on while the daemon stops.
struct Stopping {
  SteadyTime began{};
  std::optional<Milliseconds> drain;  // for all apps, in place of their drain_timeout; 0: at once
  SteadyTime least_until{};  // set when no more calls come: those that came since `began` have so long

  bool is_at_once() const { return drain && drain->count() == 0; }
  SteadyTime deadline(Milliseconds drain_timeout) const;
};

// All apps and all hosts of the daemon. Owned by the Daemon; loop thread only. It ends with
// shut_down().
class Supervisor final : public HostPool::Owner {
 public:
  Supervisor(Services& services, HostLauncher& launcher);
  ~Supervisor() override;

  // Takes the apps of `config` into service: at the start all of them, later what `change` says.
  // `pasts`: of those that come.
  void start(const Config& config, AppPasts pasts);
  void apply(const Config& config, const ConfigChange& change, AppPasts pasts);

  App* find(const std::string& name) const;
  std::vector<App*> apps() const;           // by name
  std::vector<App*> apps_that_run() const;  // and those that were removed and still drain
  std::vector<std::string> names() const;
  HostPool& hosts() { return hosts_; }

  // How little memory is left, while it is short; else "".
  const std::string& memory_note() const { return memory_note_; }

  // The routes of one listener.
  Routes routes_for(const Config& config, const ListenAddress& address) const;

  // While the daemon stops and its apps still serve: ends the calls that are past their deadline, with a
  // 504. How many of those that are waited for are left; streams of events are not, until end_streams().
  int end_calls(const Stopping& stopping, SteadyTime now);
  void end_streams();
  // Stops all apps, then the hosts; `done` when no process is left. Past the deadline they are
  // killed.
  void shut_down(Milliseconds deadline, std::function<void()> done);

 private:
  static constexpr Milliseconds kSweepPeriod{50};  // deadlines of calls are kept so closely

  void on_recycle(Host& host) override;
  void on_host_lost(Host& host, const std::string& how) override;
  void on_host_output(Host& host, const OutputSource& source, std::string_view line) override;
  void on_caller_lane(Host& host, Fd lane) override;
  void on_host_ended(Host& host) override;
  // supervisor_trouble.cpp: hosts whose GIL nobody can take, hosts that died
  void on_host_full(Host& host) override;
  void check_descriptors();
  void on_host_stalled(Host& host, const StalledEvent& note) override;
  void on_host_revived(Host& host, const RevivedEvent& note) override;
  std::string on_host_dying(Host& host, const std::string& how, bool was_killed) override;
  std::vector<Tenant> tenants_of(const Host& host) const;
  void look_at_stalled();
  void on_stalled_alone(Host& host, const StalledEvent& note, const Blame& blame);
  void add(const AppConfig& config, AppPast past);
  void place_hosts(const Config& config);
  void sweep();
  Milliseconds time_to_end(Milliseconds most) const;
  void wait_for_hosts(std::function<void()> done);
  void check_memory();

  Services& services_;
  HostPool hosts_;
  std::map<std::string, std::unique_ptr<App>> apps_;
  std::vector<std::unique_ptr<App>> leaving_;  // removed from the config, still draining
  uv::Timer sweep_;
  uv::Timer memory_;
  uv::Timer stalled_;
  SteadyTime left_unknown_at_{};  // the last time that all left a host since nobody knew who had its GIL
  std::string memory_note_;
  uv::Timer burial_;
  uv::Timer shutdown_deadline_;
  uv::Timer shutdown_poll_;
};

}  // namespace moult
