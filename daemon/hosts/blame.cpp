#include "daemon/hosts/blame.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace moult {

namespace {

const Tenant* find(const std::vector<Tenant>& tenants, std::uint64_t interp) {
  const auto found = std::find_if(tenants.begin(), tenants.end(),
                                  [interp](const Tenant& tenant) { return tenant.interp == interp; });
  return found == tenants.end() ? nullptr : &*found;
}

Blame blame(const Tenant& tenant, std::string evidence) {
  return {tenant.app, tenant.generation, std::move(evidence)};
}

std::string generation_of(const Tenant& tenant) {
  return tenant.generation == 0 ? "a spare" : fmt::format("generation {}", tenant.generation);
}

std::string at_work(const Tenant& tenant) {
  if (tenant.loading) return fmt::format("while {} was loaded", generation_of(tenant));
  if (tenant.calls.size() == 1)
    return fmt::format("while {} of {} ran", tenant.calls.front().second, generation_of(tenant));
  if (!tenant.calls.empty())
    return fmt::format("while {} calls of {} ran", tenant.calls.size(), generation_of(tenant));
  return fmt::format("while no call of {} ran: a thread of its own", generation_of(tenant));
}

}  // namespace

Blame blame_for_stall(const std::vector<Tenant>& tenants, const StallNote& note) {
  const Tenant* const tenant = find(tenants, note.interp);
  if (tenant == nullptr) return {};
  std::string who = fmt::format("a thread of {}", generation_of(*tenant));
  if (note.what == "import") who = fmt::format("the import of {}", generation_of(*tenant));
  if (note.what == "function") who = fmt::format("{}() of {}", note.function, generation_of(*tenant));
  for (const auto& [worker, call] : tenant->calls) {
    if (note.what == "call" && note.worker == worker)
      who = fmt::format("{} of {}", call, generation_of(*tenant));
  }
  return blame(*tenant, who + " keeps the GIL of its host");
}

Blame blame_for_death(const std::vector<Tenant>& tenants, std::optional<std::uint64_t> crashed,
                      bool was_killed) {
  if (const Tenant* tenant = crashed ? find(tenants, *crashed) : nullptr; tenant != nullptr)
    return blame(*tenant, "its code crashed " + at_work(*tenant));
  std::set<std::string> apps;
  std::set<std::string> busy;
  const Tenant* worker = nullptr;
  for (const Tenant& tenant : tenants) {
    apps.insert(tenant.app);
    if (!tenant.loading && tenant.calls.empty()) continue;
    busy.insert(tenant.app);
    if (worker == nullptr || tenant.loading) worker = &tenant;
  }
  if (apps.size() == 1) {
    const Tenant& tenant = worker != nullptr ? *worker : tenants.front();
    return blame(tenant, was_killed ? "it was alone in its host; a SIGKILL comes from somebody, or from the "
                                      "kernel when memory is short"
                                    : "it was alone in its host, " + at_work(tenant));
  }
  if (busy.size() == 1 && !was_killed) return blame(*worker, "it alone was at work, " + at_work(*worker));
  return {};
}

}  // namespace moult
