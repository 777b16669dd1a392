#pragma once

#include <cstddef>
#include <cstdint>

namespace moult {

// Raises this process's soft limit of descriptors to the hard one (at most a million), once, at the
// start of main. Processes that are forked afterwards get the old one back, whoever forks them: programs
// that use select(2), or close all descriptors up to the limit, count on it (systemd.exec(5) has the
// same advice). Returns the old soft limit.
std::uint64_t raise_descriptor_limit();
// The soft limit now; a million where there is none.
std::uint64_t descriptor_limit();

// How many descriptors the apps' next generations may take all at once beside those that are in use:
// lanes, logs, snapshots, hosts. `lanes`: of all apps together. Never more than half of `limit`.
std::size_t descriptor_reserve(std::size_t apps, std::size_t lanes, std::uint64_t limit);

}  // namespace moult
