#include "daemon/apps/supervisor.h"

#include "daemon/hosts/memory_room.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

namespace moult {

namespace {

constexpr Milliseconds kMemoryPeriod{10'000};

}  // namespace

Supervisor::Supervisor(Services& services, HostLauncher& launcher)
    : services_(services),
      hosts_(services.loop, services.log, *this, launcher),
      sweep_(services.loop),
      memory_(services.loop),
      stalled_(services.loop),
      burial_(services.loop),
      shutdown_deadline_(services.loop),
      shutdown_poll_(services.loop) {
  services_.hosts = &hosts_;
}

Supervisor::~Supervisor() = default;

void Supervisor::start(const Config& config, AppPasts pasts) {
  place_hosts(config);
  for (const AppConfig& app : config.apps) add(app, std::move(pasts[app.name]));
  memory_.start_repeating(kMemoryPeriod, [this] { check_memory(); });
}

void Supervisor::check_memory() {
  hosts_.check_memory();
  check_descriptors();
  const auto room = tightest_memory();
  if (!room || (services_.memory_is_short ? !room->is_enough() : !room->is_short())) return;
  services_.memory_is_short = !services_.memory_is_short;
  if (!services_.memory_is_short) {
    memory_note_.clear();
    services_.log.info("memory is no longer short");
    return;
  }
  memory_note_ = fmt::format("memory is short: {} MiB of {} MiB left in {}; spares and standbys are given up",
                             room->left >> 20, room->total >> 20, room->where);
  services_.log.warning(memory_note_);
  for (App* app : apps_that_run()) app->moulting().give_up_reserves();
}

void Supervisor::apply(const Config& config, const ConfigChange& change, AppPasts pasts) {
  place_hosts(config);
  for (const std::string& name : change.removed) {
    const auto found = apps_.find(name);
    if (found == apps_.end()) continue;
    App* app = found->second.get();
    leaving_.push_back(std::move(found->second));
    apps_.erase(found);
    services_.events.event("app.removed", name, {});
    app->moulting().forget_record();
    app->stop(App::Remember::no, [this] {
      burial_.start(Milliseconds(0), [this] {
        std::erase_if(leaving_, [](const auto& gone) { return gone->moulting().generations().empty(); });
      });
    });
  }
  for (const AppConfig& app : config.apps) {
    if (std::count(change.added.begin(), change.added.end(), app.name) > 0)
      add(app, std::move(pasts[app.name]));
    for (const AppChange& changed : change.changed) {
      if (changed.name == app.name) apps_.at(app.name)->apply(app, changed);
    }
  }
}

void Supervisor::add(const AppConfig& config, AppPast past) {
  auto& app = apps_[config.name] = std::make_unique<App>(services_, config, std::move(past));
  app->set_on_busy([this] {
    if (!sweep_.is_active()) sweep_.start_repeating(kSweepPeriod, [this] { sweep(); });
  });
  services_.events.event("app.added", config.name, {});
  if (!app->moulting().record().stopped) app->start({});
}

void Supervisor::place_hosts(const Config& config) {
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  std::size_t interpreters = 1;
  for (const AppConfig& app : config.apps) interpreters += static_cast<std::size_t>(app.interpreters);
  const std::size_t automatic = std::min({cores, std::max<std::size_t>(interpreters - 1, 1), std::size_t{4}});
  const std::uint64_t cache = config.daemon.bytecode_cache;
  hosts_.configure(config.daemon.hosts > 0 ? static_cast<std::size_t>(config.daemon.hosts) : automatic,
                   config.daemon.host_memory_growth, {cache > 0 ? services_.cache_folder : "", cache});
  services_.snapshot_bytes_max = config.daemon.snapshot_max_bytes;
  services_.snapshots_kept = static_cast<std::size_t>(config.daemon.snapshot_keep);
}

void Supervisor::sweep() {
  const SteadyTime now = Steady::now();
  bool more = false;
  for (const auto& [name, app] : apps_) more |= app->sweep(now);
  for (const auto& app : leaving_) more |= app->sweep(now);
  if (!more) sweep_.stop();
}

App* Supervisor::find(const std::string& name) const {
  const auto found = apps_.find(name);
  return found == apps_.end() ? nullptr : found->second.get();
}

std::vector<App*> Supervisor::apps() const {
  std::vector<App*> all;
  for (const auto& [name, app] : apps_) all.push_back(app.get());
  return all;
}

std::vector<App*> Supervisor::apps_that_run() const {
  std::vector<App*> all = apps();
  for (const auto& app : leaving_) all.push_back(app.get());
  return all;
}

std::vector<std::string> Supervisor::names() const {
  std::vector<std::string> names;
  for (const auto& [name, app] : apps_) names.push_back(name);
  return names;
}

Routes Supervisor::routes_for(const Config& config, const ListenAddress& address) const {
  Routes routes;
  for (const AppConfig& app : config.apps) {
    const auto& addresses = listeners_of(config, app);
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) continue;
    RouteTarget* target = &apps_.at(app.name)->route_target();
    if (app.routes.empty()) routes.add("", "", target);
    for (const RoutePattern& route : app.routes) routes.add(route.host, route.prefix, target);
  }
  return routes;
}

void Supervisor::on_recycle(Host& host) {
  services_.events.event("host.recycled", "",
                         {{"host", static_cast<std::int64_t>(host.number())},
                          {"pid", static_cast<std::int64_t>(host.pid())},
                          {"reason", host.recycle_reason}});
  for (const auto& [name, app] : apps_) app->leave_host(host);
}

void Supervisor::on_host_lost(Host& host, const std::string& how) {
  EventData data{{"host", static_cast<std::int64_t>(host.number())},
                 {"pid", static_cast<std::int64_t>(host.pid())},
                 {"reason", how}};
  if (!services_.death.app.empty()) {
    data.emplace_back("app", services_.death.app);
    data.emplace_back("generation", static_cast<std::int64_t>(services_.death.generation));
    data.emplace_back("evidence", services_.death.evidence);
  }
  services_.events.event("host.died", "", std::move(data));
}

// What a process writes to its descriptors 1 and 2 past Python's streams: children, C libraries. Of those in
// a shared host nobody can tell whose they are.
void Supervisor::on_host_output(Host& host, const OutputSource& source, std::string_view line) {
  if (const auto found = apps_.find(source.app); found != apps_.end()) {
    found->second->log().add(
        {std::chrono::system_clock::now(), source.generation, "stderr", std::string(line)});
    if (services_.log_to_terminal) {
      services_.log.print(line, {{"app", source.app}, {"generation", source.generation}});
    }
    return;
  }
  services_.log.info(line, {{"host", host.number()}, {"pid", host.pid()}});
}

void Supervisor::on_caller_lane(Host& host, Fd lane) {
  if (services_.callers != nullptr) services_.callers->add(host.number(), std::move(lane));
}

void Supervisor::on_host_ended(Host& host) {
  services_.death = {};
  if (services_.callers != nullptr) services_.callers->on_host_ended(host.number());
}

}  // namespace moult
