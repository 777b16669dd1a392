#include "daemon/watch/path_chain.h"

#include "daemon/tree/tree_rules.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <climits>
#include <deque>
#include <string_view>

namespace moult {

const std::uint32_t kEntryEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
const std::uint32_t kContentEvents = kEntryEvents | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB;
const std::uint32_t kSelfEvents = IN_DELETE_SELF | IN_MOVE_SELF;

namespace {

// As many as the kernel follows (path_resolution(7)).
constexpr int kLinksMax = 40;

std::deque<std::string> components_of(std::string_view path) {
  std::deque<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

std::string read_link(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  return size <= 0 ? std::string() : std::string(target, static_cast<std::size_t>(size));
}

bool wants_content(PointRole role) { return role != PointRole::rescan && role != PointRole::lock; }

}  // namespace

std::string follow_path(const std::string& path, const Point& end, WatchSink& sink) {
  std::deque<std::string> rest = components_of(path);
  std::string at = "/";
  int links = 0;
  const auto watch_name = [&sink, &at](const std::string& full, Point point, std::uint32_t mask) {
    sink.watch(at, WatchRole::names, mask | kSelfEvents);
    sink.point(full, std::move(point));
  };
  while (!rest.empty()) {
    const std::string name = std::move(rest.front());
    rest.pop_front();
    if (name == "..") {
      at = std::string(folder_of(at));
      continue;
    }
    const std::string full = join_path(at, name);
    struct stat status {};
    if (::lstat(full.c_str(), &status) != 0) {
      // Where only the end is missing, its own role says what its appearance means.
      watch_name(full, rest.empty() ? end : Point{},
                 rest.empty() && wants_content(end.role) ? kContentEvents : kEntryEvents);
      return {};
    }
    if (S_ISLNK(status.st_mode)) {
      if (++links > kLinksMax) return {};
      watch_name(full, Point{}, kEntryEvents);
      const std::string target = read_link(full);
      if (target.empty()) return {};
      if (target.front() == '/') at = "/";
      std::deque<std::string> expanded = components_of(target);
      rest.insert(rest.begin(), expanded.begin(), expanded.end());
      continue;
    }
    if (rest.empty()) {
      const bool content = wants_content(end.role);
      watch_name(full, end, content ? kContentEvents : kEntryEvents);
    } else if (S_ISDIR(status.st_mode)) {
      sink.watch(full, WatchRole::self, kSelfEvents);
    }
    at = full;
  }
  return at;
}

}  // namespace moult
