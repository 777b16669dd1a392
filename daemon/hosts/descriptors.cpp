#include "daemon/hosts/descriptors.h"

#include "ipc/base/fd.h"

#include <fmt/format.h>

#include <dirent.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>

namespace moult {

namespace {

constexpr std::uint64_t kCountedMax = 65'536;
constexpr std::size_t kTargetsMax = 4'096;

std::uint64_t limit_of(int pid) {
  static constexpr std::string_view kName = "Max open files";
  const auto text = read_file(fmt::format("/proc/{}/limits", pid), 16 * 1024);
  if (!text) return 0;
  std::size_t at = text->find(kName);
  if (at == std::string::npos) return 0;
  at = text->find_first_not_of(' ', at + kName.size());
  std::uint64_t limit = 0;
  if (at != std::string::npos) std::from_chars(text->data() + at, text->data() + text->size(), limit);
  return limit;
}

// "socket:[12]" and "socket:[13]" are both sockets.
std::string kind_of(const std::string& target) {
  if (target.starts_with("socket:")) return "sockets";
  if (target.starts_with("pipe:")) return "pipes";
  return target;
}

}  // namespace

Descriptors descriptors_of(int pid, Targets targets) {
  Descriptors found;
  found.limit = limit_of(pid);
  const std::string folder = fmt::format("/proc/{}/fd", pid);
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), ::closedir);
  if (!entries) return found;
  while (found.open < kCountedMax) {
    const dirent* const entry = ::readdir(entries.get());
    if (entry == nullptr) break;
    if (entry->d_name[0] == '.') continue;
    ++found.open;
    if (targets == Targets::no || found.targets.size() >= kTargetsMax) continue;
    std::array<char, 512> target{};
    const ssize_t size =
        ::readlink(fmt::format("{}/{}", folder, entry->d_name).c_str(), target.data(), target.size());
    if (size > 0) found.targets.emplace_back(target.data(), static_cast<std::size_t>(size));
  }
  return found;
}

std::string describe(const Descriptors& descriptors) {
  std::map<std::string, std::size_t> kinds;
  for (const std::string& target : descriptors.targets) ++kinds[kind_of(target)];
  const auto most = std::max_element(kinds.begin(), kinds.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  std::string text = fmt::format("{} of {} are open", descriptors.open, descriptors.limit);
  if (most != kinds.end()) text += fmt::format(", {} of them {}", most->second, most->first);
  return text;
}

std::size_t count_below(const Descriptors& descriptors, std::string_view folder) {
  return static_cast<std::size_t>(std::count_if(
      descriptors.targets.begin(), descriptors.targets.end(), [folder](const std::string& target) {
        return target.size() > folder.size() && target.starts_with(folder) && target[folder.size()] == '/';
      }));
}

}  // namespace moult
