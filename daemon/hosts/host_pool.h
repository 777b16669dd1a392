#pragma once

#include "daemon/hosts/host.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace moult {

// Where a new interpreter is to live.
struct PlacementRequest {
  HostKey key;
  std::string app;
  std::string group;                 // apps of one group share a host where they can
  const Host* current = nullptr;     // where the app lives now: preferred, so that it stays
  bool fresh = false;                // a host that has loaded nothing yet (a changed .so, a recycle)
  std::vector<const Host*> avoid{};  // those that have an interpreter of the generation already
  std::string company{};             // hosts of this one only (Parting)
};

// A host as placement sees it.
struct HostLoad {
  int number = 0;
  std::size_t interpreters = 0;
  bool is_current = false;
  bool has_group = false;
};

// Which of the hosts that fit takes the next interpreter: its number, or 0 for a new host. Pure.
int choose_host(const std::vector<HostLoad>& fitting, std::size_t hosts_max, bool fresh, bool has_group);

// All hosts of the daemon: starts, places, recycles and buries them. Owned by the Supervisor; loop
// thread only.
class HostPool final : public Host::Owner {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // A host must go: every app that lives there should be moulted elsewhere.
    virtual void on_recycle(Host& host) = 0;
    virtual void on_host_lost(Host& host, const std::string& how) = 0;
    virtual void on_host_output(Host& host, const OutputSource& source, std::string_view line) = 0;
    virtual void on_caller_lane(Host& host, Fd lane) = 0;  // Host::Owner has it
    virtual void on_host_ended(Host& host) = 0;            // expected or not, after on_host_lost
    virtual void on_host_full(Host& host) = 0;             // no descriptor is left in it
    virtual void on_host_stalled(Host& host, const StalledEvent& note) = 0;  // these three: Host::Owner
    virtual void on_host_revived(Host& host, const RevivedEvent& note) = 0;
    virtual std::string on_host_dying(Host& host, const std::string& how, bool was_killed) = 0;
  };

  HostPool(uv::Loop& loop, Log& log, Owner& owner, HostLauncher& launcher);
  ~HostPool() override;

  // The place of compiled code is that of hosts which are started from now on.
  void configure(std::size_t shared_hosts_max, std::uint64_t memory_growth, CodePlace code_place = {});

  // A host for the request, started when there is none that fits. Dedicated for mode main.
  Result<Host*> place(const PlacementRequest& request);
  // Hosts for `count` interpreters of one generation: with a shared GIL in as many as there may be, so
  // that they run side by side. `current` are those of the generation before.
  Result<std::vector<Host*>> place_several(PlacementRequest request, std::size_t count,
                                           const std::vector<const Host*>& current);
  // Moves everything away from the host, then ends it. Nothing when it is recycling already.
  void recycle(Host& host, std::string reason);
  // A host that has no descriptor left.
  void leave_full(Host& host) { owner_.on_host_full(host); }
  // Memory budget: call now and then. True while there is a host to look at.
  bool check_memory();
  // Ends hosts in which nothing was ever made, as a failed attempt leaves them behind.
  void leave_unused();
  // Ends all hosts; done once is_empty().
  void leave_all();
  void kill_all();
  bool is_empty() const;

  std::vector<Host*> hosts() const;  // those that have not ended
  Host* find(int number) const;
  std::uint64_t recycled() const { return recycled_; }
  std::uint64_t lost() const { return lost_; }

 private:
  void on_host_ready(Host& host) override;
  void on_host_empty(Host& host) override;
  void on_host_gone(Host& host, const std::string& how, bool expected) override;
  void on_host_output(Host& host, const OutputSource& source, std::string_view line) override;
  void on_caller(Host& host, std::uint64_t interp, Fd lane) override;
  void on_host_tainted(Host& host, const std::string& why) override;
  void on_host_stalled(Host& host, const StalledEvent& note) override { owner_.on_host_stalled(host, note); }
  void on_host_revived(Host& host, const RevivedEvent& note) override { owner_.on_host_revived(host, note); }
  std::string on_host_dying(Host& host, const std::string& how, bool was_killed) override {
    return owner_.on_host_dying(host, how, was_killed);
  }
  void bury();

  uv::Loop& loop_;
  Log& log_;
  Owner& owner_;
  HostLauncher& launcher_;
  std::size_t shared_hosts_max_ = 1;
  std::uint64_t memory_growth_ = 0;
  CodePlace code_place_;
  int next_number_ = 1;
  std::uint64_t recycled_ = 0;
  std::uint64_t lost_ = 0;
  std::vector<std::unique_ptr<Host>> hosts_;
  uv::Timer burial_;
};

}  // namespace moult
