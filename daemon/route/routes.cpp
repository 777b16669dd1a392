#include "daemon/route/routes.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace moult {

namespace {

bool prefix_takes(std::string_view prefix, std::string_view path) {
  if (!path.starts_with(prefix)) return false;
  return prefix.empty() || path.size() == prefix.size() || path[prefix.size()] == '/';
}

}  // namespace

void Routes::add(std::string host, std::string prefix, RouteTarget* target) {
  Entry entry{std::move(host), std::move(prefix), target};
  // Named hosts first, then longest prefix first; among equals the first that came stays in front.
  const auto before = [](const Entry& a, const Entry& b) {
    return std::tuple(a.host.empty(), b.prefix.size()) < std::tuple(b.host.empty(), a.prefix.size());
  };
  entries_.insert(std::upper_bound(entries_.begin(), entries_.end(), entry, before), std::move(entry));
}

void Routes::remove(const RouteTarget& target) {
  std::erase_if(entries_, [&target](const Entry& entry) { return entry.target == &target; });
}

Routes::Match Routes::find(std::string_view host, std::string_view path) const {
  for (const Entry& entry : entries_) {
    if (!entry.host.empty() && entry.host != host) continue;
    if (prefix_takes(entry.prefix, path)) return Match{entry.target, entry.prefix};
  }
  return {};
}

}  // namespace moult
