#include "daemon/apps/supervisor.h"
#include "daemon/hosts/descriptors.h"
#include "ipc/base/count_of.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

// What apps of one host cost each other: one that keeps the GIL is left alone by the others, one that ends
// the process lives alone from then on.

namespace moult {

namespace {

constexpr Milliseconds kStalledPeriod{250};
// Hosts are left so often at most when nobody knows who has their GIL.
constexpr Milliseconds kUnknownAgain{60'000};

// Descriptors that the making of an interpreter takes at most, mostly.
constexpr std::uint64_t kMostOfAMake = 128;

bool is_awaited(GenerationState state) {
  return state == GenerationState::making || state == GenerationState::warming ||
         state == GenerationState::active || state == GenerationState::draining;
}

std::set<std::string> apps_of(const std::vector<Tenant>& tenants) {
  std::set<std::string> apps;
  for (const Tenant& tenant : tenants) apps.insert(tenant.app);
  return apps;
}

}  // namespace

std::vector<Tenant> Supervisor::tenants_of(const Host& host) const {
  std::vector<Tenant> tenants;
  for (App* app : apps_that_run()) {
    for (const auto& generation : app->moulting().generations()) {
      for (const auto& interpreter : generation->interpreters()) {
        if (interpreter->host() != &host || interpreter->state() == Interpreter::State::ended) continue;
        Tenant tenant{app->config().name, generation->number(), interpreter->number(),
                      interpreter->state() == Interpreter::State::making &&
                          generation->state() != GenerationState::spare};
        for (Flight* const flight : interpreter->flights()) {
          if (const auto worker = flight->worker()) tenant.calls.emplace_back(*worker, flight->what());
        }
        tenants.push_back(std::move(tenant));
      }
    }
  }
  return tenants;
}

// The culprit stays with its calls, and what it makes next is made elsewhere; all others leave. Calls that
// have not begun go back to their queues: there is no better time, since no worker can begin one now.
void Supervisor::on_host_stalled(Host& host, const StalledEvent& note) {
  const std::vector<Tenant> tenants = tenants_of(host);
  const std::set<std::string> apps = apps_of(tenants);
  const Blame blame = blame_for_stall(tenants, {note.interp, note.what, note.worker, note.text});
  if (note.alone) return on_stalled_alone(host, note, blame);
  const SteadyTime now = Steady::now();
  host.trouble = blame.app.empty() ? "something keeps the GIL of the host" : blame.evidence;
  services_.log.warning(
      fmt::format("host does not answer since {:.1f} s: {}", note.seconds.count(), host.trouble),
      {{"app", blame.app}, {"host", host.number()}, {"pid", host.pid()}});
  EventData data{{"host", static_cast<std::int64_t>(host.number())},
                 {"pid", static_cast<std::int64_t>(host.pid())},
                 {"seconds", note.seconds.count()},
                 {"reason", host.trouble}};
  if (!blame.app.empty()) {
    data.emplace_back("app", blame.app);
    data.emplace_back("generation", static_cast<std::int64_t>(blame.generation));
  }
  services_.events.event("host.stalled", "", std::move(data));
  if (!stalled_.is_active()) stalled_.start_repeating(kStalledPeriod, [this] { look_at_stalled(); });
  host.give_back();
  if (blame.app.empty()) {
    if (now - left_unknown_at_ < kUnknownAgain) return;
    left_unknown_at_ = now;
    services_.parting.on_trouble({apps.begin(), apps.end()}, host.trouble, now);
    hosts_.recycle(host, host.trouble);
    return;
  }
  if (host.keeper.empty()) host.keeper = blame.app;
  if (apps.size() > 1) services_.parting.part(blame.app, blame.evidence, now);
  for (App* app : apps_that_run()) app->on_host_stalled(host, blame);
}

// Of an interpreter with a GIL of its own: nobody else waits, and its next code is made beside it as ever.
// Its calls that have not begun wait for that, or until it answers again.
void Supervisor::on_stalled_alone(Host& host, const StalledEvent& note, const Blame& blame) {
  services_.log.warning(
      fmt::format("it does not answer since {:.1f} s: {}", note.seconds.count(), blame.evidence),
      {{"app", blame.app}, {"host", host.number()}, {"pid", host.pid()}});
  services_.events.event("host.stalled", "",
                         {{"host", static_cast<std::int64_t>(host.number())},
                          {"pid", static_cast<std::int64_t>(host.pid())},
                          {"seconds", note.seconds.count()},
                          {"reason", blame.evidence},
                          {"app", blame.app},
                          {"generation", static_cast<std::int64_t>(blame.generation)}});
  host.explain_stall(note.interp, blame.evidence);
  host.give_back(note.interp);
  if (App* app = find(blame.app); app != nullptr) app->on_stalled_alone(blame.evidence);
}

void Supervisor::on_host_revived(Host& host, const RevivedEvent& note) {
  const bool alone = note.interp != 0;
  const std::string whose = alone ? host.source_of(note.interp).app : host.keeper;
  services_.log.info(
      fmt::format("{} answers again after {:.1f} s", alone ? "it" : "host", note.seconds.count()),
      {{"app", whose}, {"host", host.number()}, {"pid", host.pid()}});
  EventData data{{"host", static_cast<std::int64_t>(host.number())},
                 {"pid", static_cast<std::int64_t>(host.pid())},
                 {"seconds", note.seconds.count()}};
  if (alone) data.emplace_back("app", whose);
  services_.events.event("host.revived", "", std::move(data));
  if (!alone) {
    for (App* app : apps_that_run()) app->on_host_revived(host);
  } else if (App* app = find(whose); app != nullptr) {
    app->on_revived();
  }
}

// In a host that does not answer nothing can be retired: it ends once nobody is waited for there.
void Supervisor::look_at_stalled() {
  std::set<Host*> stalled;
  for (Host* host : hosts_.hosts()) {
    if (host->stalled_since()) stalled.insert(host);
  }
  if (stalled.empty()) stalled_.stop();
  for (App* app : apps_that_run()) {
    for (const auto& generation : app->moulting().generations()) {
      if (!is_awaited(generation->state())) continue;
      for (const auto& interpreter : generation->interpreters()) stalled.erase(interpreter->host());
    }
  }
  for (Host* host : stalled) host->dismiss();
}

void Supervisor::check_descriptors() {
  for (Host* host : hosts_.hosts()) {
    if (host->dedicated || host->recycling || host->state() != Host::State::ready) continue;
    if (descriptors_of(host->pid(), Targets::no).is_full()) on_host_full(*host);
  }
}

// Files of one app's tree tell whose they are; of sockets and pipes nobody can say.
void Supervisor::on_host_full(Host& host) {
  if (host.recycling) return;
  const Descriptors descriptors = descriptors_of(host.pid(), Targets::yes);
  // An import that opened too much by itself has given it back with its interpreter.
  if (descriptors.open + kMostOfAMake < descriptors.limit) return;
  const std::string story = "it has no descriptor left (EMFILE): " + describe(descriptors);
  const std::set<std::string> apps = apps_of(tenants_of(host));
  const SteadyTime now = Steady::now();
  std::string culprit;
  for (const std::string& name : apps) {
    const App* app = find(name);
    const bool is_it = app != nullptr && 2 * count_below(descriptors, app->config().tree) > descriptors.open;
    if (is_it) culprit = name;
  }
  if (!culprit.empty()) {
    find(culprit)->note_trouble("descriptors", fmt::format("of its host: {}", describe(descriptors)));
    if (apps.size() > 1) services_.parting.part(culprit, "its host: " + story, now);
  } else {
    services_.parting.on_trouble({apps.begin(), apps.end()}, "their host: " + story, now);
  }
  hosts_.recycle(host, culprit.empty() ? story : fmt::format("{}, because of {}", story, culprit));
}

std::string Supervisor::on_host_dying(Host& host, const std::string& how, bool was_killed) {
  const std::vector<Tenant> tenants = tenants_of(host);
  const std::set<std::string> apps = apps_of(tenants);
  const SteadyTime now = Steady::now();
  services_.death = blame_for_death(tenants, host.crashed(), was_killed);
  if (const Blame& death = services_.death; !death.app.empty()) {
    const std::string story = fmt::format("its host {}: {}", how, death.evidence);
    if (apps.size() > 1) services_.parting.part(death.app, story, now);
    services_.log.error(story, {{"app", death.app}});
    if (App* app = find(death.app); app != nullptr) app->note_trouble("crashed", story);
    return apps.size() > 1 ? fmt::format(", because of {}", death.app) : "";
  }
  const std::string story = fmt::format("a host of {} {}", fmt::join(apps, ", "), how);
  if (services_.parting.on_trouble({apps.begin(), apps.end()}, story, now)) {
    services_.log.warning(fmt::format("{} again, and nobody knows who it was: its apps are parted", story));
  }
  return "";
}

}  // namespace moult
