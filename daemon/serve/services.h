#pragma once

#include "daemon/hosts/blame.h"
#include "daemon/hosts/host_pool.h"
#include "daemon/hosts/parting.h"
#include "daemon/hosts/python_info.h"
#include "daemon/serve/lanes.h"
#include "daemon/snapshot/package_listings.h"
#include "daemon/watch/inotify.h"
#include "ipc/base/log.h"
#include "ipc/uv/loop.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace moult {

// Facts of an event, for `moultctl events` (docs/control.md has the table).
using EventValue = std::variant<std::int64_t, double, std::string, std::vector<std::string>>;
using EventData = std::vector<std::pair<std::string, EventValue>>;

// Where events go; the daemon turns them into JSON.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void event(std::string_view name, const std::string& app, EventData data) = 0;
};

// Where the daemon's ends of caller lanes go: calls that interpreters make of other apps come by them.
// The daemon has one, which outlives the hosts.
class CallerLanes {
 public:
  virtual ~CallerLanes() = default;
  virtual void add(int host, Fd lane) = 0;
  virtual void on_host_ended(int host) = 0;
};

// What apps share. Built by main, outlives all apps.
struct Services {
  uv::Loop& loop;
  Log& log;
  EventSink& events;
  Inotify& inotify;
  PythonProbes& probes;
  LaneRounds& lane_rounds;
  HostPool* hosts = nullptr;  // set by the Supervisor, which owns it
  std::string state_folder;
  bool log_to_terminal = false;  // moultd run
  // `snapshot_max_size` and `snapshot_keep` of moult.toml, set by the Supervisor.
  std::uint64_t snapshot_bytes_max = 512u << 20;
  std::size_t snapshots_kept = 5;
  CallerLanes* callers = nullptr;  // set by the Daemon, which owns them
  CallNumbers numbers{};
  bool memory_is_short = false;  // set by the Supervisor: nothing is kept in reserve then
  // Shared with background threads.
  std::shared_ptr<PackageListings> packages = std::make_shared<PackageListings>();
  std::string cache_folder{};  // compiled code; shared by the hosts of all daemons of this user
  Parting parting{};
  Blame death{};  // whose doing the death of a host is, while its interpreters are told of it
};

}  // namespace moult
