#include "daemon/hosts/host_pool.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

int choose_host(const std::vector<HostLoad>& fitting, std::size_t hosts_max, bool fresh, bool has_group) {
  if (fresh) return 0;
  const auto first = [&](auto wanted) {
    const auto found = std::find_if(fitting.begin(), fitting.end(), wanted);
    return found == fitting.end() ? 0 : found->number;
  };
  if (has_group) {
    if (const int both = first([](const HostLoad& host) { return host.is_current && host.has_group; }))
      return both;
    if (const int group = first([](const HostLoad& host) { return host.has_group; })) return group;
  }
  if (const int current = first([](const HostLoad& host) { return host.is_current; })) return current;
  if (fitting.size() < hosts_max) return 0;
  const auto least =
      std::min_element(fitting.begin(), fitting.end(),
                       [](const HostLoad& a, const HostLoad& b) { return a.interpreters < b.interpreters; });
  return least == fitting.end() ? 0 : least->number;
}

HostPool::HostPool(uv::Loop& loop, Log& log, Owner& owner, HostLauncher& launcher)
    : loop_(loop), log_(log), owner_(owner), launcher_(launcher), burial_(loop) {}

HostPool::~HostPool() = default;

void HostPool::configure(std::size_t shared_hosts_max, std::uint64_t memory_growth, CodePlace code_place) {
  shared_hosts_max_ = std::max<std::size_t>(shared_hosts_max, 1);
  memory_growth_ = memory_growth;
  code_place_ = std::move(code_place);
}

Result<Host*> HostPool::place(const PlacementRequest& request) {
  const bool dedicated = request.key.mode == InterpreterMode::main;
  if (!dedicated) {
    std::vector<HostLoad> fitting;
    for (const auto& host : hosts_) {
      if (host->dedicated || !host->takes_new() || !(host->key() == request.key)) continue;
      if (host->company != request.company) continue;
      if (std::count(request.avoid.begin(), request.avoid.end(), host.get()) > 0) continue;
      if (host->state() != Host::State::starting && host->state() != Host::State::ready) continue;
      const bool has_group = std::count(host->groups.begin(), host->groups.end(), request.group) > 0;
      fitting.push_back({host->number(), host->interpreters(), host.get() == request.current, has_group});
    }
    // With own GILs one host serves all cores.
    const std::size_t most =
        (request.key.mode == InterpreterMode::own ? 1 : shared_hosts_max_) - request.avoid.size();
    const int number = choose_host(fitting, most, request.fresh, !request.group.empty());
    if (Host* host = find(number); host != nullptr) {
      const bool known = std::count(host->groups.begin(), host->groups.end(), request.group) > 0;
      if (!request.group.empty() && !known) host->groups.push_back(request.group);
      return host;
    }
  }
  auto host = std::make_unique<Host>(loop_, log_, *this, next_number_++, request.key);
  host->dedicated = dedicated;
  host->company = request.company;
  if (!request.group.empty()) host->groups.push_back(request.group);
  MOULT_TRY(host->start(launcher_, code_place_));
  log_.debug("host started", {{"host", host->number()},
                              {"pid", host->pid()},
                              {"python", host->key().python.version()},
                              {"mode", std::string(to_string(host->key().mode))}});
  hosts_.push_back(std::move(host));
  return hosts_.back().get();
}

Result<std::vector<Host*>> HostPool::place_several(PlacementRequest request, std::size_t count,
                                                   const std::vector<const Host*>& current) {
  const InterpreterMode mode = request.key.mode;
  const std::size_t spread = mode == InterpreterMode::main  ? count
                             : mode == InterpreterMode::own ? 1
                                                            : shared_hosts_max_;
  std::vector<Host*> hosts;
  for (std::size_t i = 0; i < count; ++i) {
    if (i >= spread) {
      hosts.push_back(hosts[i % spread]);
      continue;
    }
    request.current = i < current.size() ? current[i] : nullptr;
    MOULT_ASSIGN(Host * host, place(request));
    hosts.push_back(host);
    request.avoid.push_back(host);
  }
  return hosts;
}

void HostPool::recycle(Host& host, std::string reason) {
  if (host.recycling || host.state() == Host::State::gone) return;
  host.recycling = true;
  host.recycle_reason = std::move(reason);
  ++recycled_;
  log_.info(fmt::format("host is being recycled: {}", host.recycle_reason),
            {{"host", host.number()}, {"pid", host.pid()}, {"why", host.recycle_reason}});
  owner_.on_recycle(host);
  if (host.interpreters() == 0) host.leave();
}

bool HostPool::check_memory() {
  if (memory_growth_ == 0) return false;
  std::vector<Host*> too_large;
  for (const auto& host : hosts_) {
    if (host->recycling || host->state() != Host::State::ready) continue;
    if (host->memory.look(host->resident_bytes(), host->age(), memory_growth_))
      too_large.push_back(host.get());
  }
  for (Host* host : too_large) {
    recycle(*host, fmt::format("memory grew by more than {} MiB", memory_growth_ >> 20));
  }
  return !hosts_.empty();
}

void HostPool::leave_unused() {
  for (const auto& host : hosts_) {
    if (host->made_count == 0) host->leave();
  }
}

void HostPool::leave_all() {
  for (const auto& host : hosts_) host->leave();
}

void HostPool::kill_all() {
  for (const auto& host : hosts_) host->kill();
}

bool HostPool::is_empty() const { return hosts().empty(); }

std::vector<Host*> HostPool::hosts() const {
  std::vector<Host*> living;
  for (const auto& host : hosts_) {
    if (host->state() != Host::State::gone) living.push_back(host.get());
  }
  return living;
}

Host* HostPool::find(int number) const {
  for (const auto& host : hosts_) {
    if (host->number() == number && host->state() != Host::State::gone) return host.get();
  }
  return nullptr;
}

void HostPool::on_host_ready(Host& host) {
  log_.debug("host ready", {{"host", host.number()}, {"pid", host.pid()}});
}

// A host without interpreters serves nobody. A shared one that is merely empty goes too: the next
// app starts one in some 20 ms.
void HostPool::on_host_empty(Host& host) { host.leave(); }

void HostPool::on_host_gone(Host& host, const std::string& how, bool expected) {
  if (!expected) {
    ++lost_;
    log_.error(fmt::format("host process {}", how), {{"host", host.number()}, {"pid", host.pid()}});
    owner_.on_host_lost(host, how);
  }
  owner_.on_host_ended(host);
  burial_.start(Milliseconds(0), [this] { bury(); });
}

void HostPool::on_host_output(Host& host, const OutputSource& source, std::string_view line) {
  owner_.on_host_output(host, source, line);
}

void HostPool::on_caller(Host& host, std::uint64_t, Fd lane) { owner_.on_caller_lane(host, std::move(lane)); }

void HostPool::on_host_tainted(Host& host, const std::string& why) { recycle(host, why); }

void HostPool::bury() {
  std::erase_if(hosts_, [](const auto& host) { return host->state() == Host::State::gone; });
}

}  // namespace moult
