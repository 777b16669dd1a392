#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// What a process has open. A value.
struct Descriptors {
  std::uint64_t open = 0;
  std::uint64_t limit = 0;             // 0: not known
  std::vector<std::string> targets{};  // what they are, as proc(5) says it: "/srv/a/log", "socket:[12]"

  // Fewer left than a generation needs: with none it can neither be made nor served.
  bool is_full() const { return limit != 0 && open + 16 >= limit; }
};

// Reads /proc: does not block. With `targets` that of each, of the first thousands.
enum class Targets { no, yes };
Descriptors descriptors_of(int pid, Targets targets);

// "1,021 of 1,024 are open, 990 of them /srv/a/log". Pure.
std::string describe(const Descriptors& descriptors);
// How many of the targets are files below `folder`. Pure.
std::size_t count_below(const Descriptors& descriptors, std::string_view folder);

}  // namespace moult
