#include "daemon/hosts/memory_room.h"

#include "ipc/base/fd.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace moult {

namespace {

constexpr std::size_t kSmallFile = 64 * 1024;
constexpr std::uint64_t kShort = 256u << 20;

std::optional<std::uint64_t> number_in(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;  // "max"
  return number;
}

// The number behind `name` at the beginning of a line.
std::optional<std::uint64_t> number_after(std::string_view text, std::string_view name) {
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view line = text.substr(at, text.find('\n', at) - at);
    if (line.starts_with(name)) return number_in(line.substr(name.size()));
    at += line.size() + 1;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> number_of_file(const std::string& path) {
  const auto text = read_file(path, kSmallFile);
  return text ? number_in(*text) : std::nullopt;
}

std::optional<MemoryRoom> room_of_machine(const std::string& root) {
  const auto text = read_file(root + "/proc/meminfo", kSmallFile);
  if (!text) return std::nullopt;
  const auto total = number_after(*text, "MemTotal:");
  const auto left = number_after(*text, "MemAvailable:");
  if (!total || !left) return std::nullopt;
  return MemoryRoom{*total * 1024, *left * 1024, "the machine"};
}

// File pages that are not in use (inactive_file) are given back when others need them.
std::optional<MemoryRoom> room_of_group(const std::string& folder, const std::string& name) {
  const auto most = number_of_file(folder + "/memory.max");
  const auto used = number_of_file(folder + "/memory.current");
  const auto details = read_file(folder + "/memory.stat", kSmallFile);
  if (!most || !used || !details) return std::nullopt;
  const std::uint64_t idle = std::min(number_after(*details, "inactive_file").value_or(0), *used);
  const std::uint64_t held = std::min(*used - idle, *most);
  return MemoryRoom{*most, *most - held, "the control group " + name};
}

// The line "0::/user.slice/user-1000.slice" of proc_pid_cgroup(5).
std::string own_group(const std::string& root) {
  const auto text = read_file(root + "/proc/self/cgroup", kSmallFile);
  if (!text) return {};
  static constexpr std::string_view kUnified = "0::";
  for (std::size_t at = 0; at < text->size();) {
    const std::string line = text->substr(at, text->find('\n', at) - at);
    if (line.starts_with(kUnified)) return line.substr(kUnified.size());
    at += line.size() + 1;
  }
  return {};
}

}  // namespace

bool MemoryRoom::is_short() const { return left < std::min(total / 20, kShort); }

bool MemoryRoom::is_enough() const { return left > 2 * std::min(total / 20, kShort); }

std::optional<MemoryRoom> tightest_memory(const std::string& root) {
  std::optional<MemoryRoom> tightest = room_of_machine(root);
  // A limit of a group holds for all groups in it.
  for (std::string group = own_group(root); group.size() > 1; group.erase(group.rfind('/'))) {
    const auto room = room_of_group(root + "/sys/fs/cgroup" + group, group);
    if (room && (!tightest || room->left < tightest->left)) tightest = room;
  }
  return tightest;
}

}  // namespace moult
