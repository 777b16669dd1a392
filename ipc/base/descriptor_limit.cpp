#include "ipc/base/descriptor_limit.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>

namespace moult {

namespace {

constexpr rlim_t kMost = 1'000'000;

// Only fork's child reads it, through a handler that takes no argument (pthread_atfork(3)).
rlim_t g_soft_of_children = 0;

void give_old_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min(g_soft_of_children, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t old = limit.rlim_cur;
  limit.rlim_cur = std::min(limit.rlim_max, std::max(old, kMost));
  if (limit.rlim_cur == old || ::setrlimit(RLIMIT_NOFILE, &limit) != 0) return old;
  g_soft_of_children = old;
  ::pthread_atfork(nullptr, nullptr, give_old_limit);
  return old;
}

std::uint64_t descriptor_limit() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? std::min(limit.rlim_cur, kMost) : kMost;
}

std::size_t descriptor_reserve(std::size_t apps, std::size_t lanes, std::uint64_t limit) {
  constexpr std::size_t kOwn = 64;     // files that are read and written, the control socket, a status page
  constexpr std::size_t kPerApp = 12;  // a host (channel, output, pidfd), a log pipe, a snapshot, files
  // A lane is two until its host has taken the other end.
  return std::min<std::size_t>(kOwn + apps * kPerApp + 2 * lanes, static_cast<std::size_t>(limit / 2));
}

}  // namespace moult
