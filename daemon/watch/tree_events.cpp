#include "daemon/tree/noise.h"
#include "daemon/tree/tree_rules.h"
#include "daemon/watch/path_chain.h"
#include "daemon/watch/watcher_impl.h"

#include <sys/inotify.h>
#include <algorithm>

namespace moult {

namespace {

constexpr std::uint32_t kAppears = IN_CREATE | IN_MOVED_TO;
// One of these ends every way to change a file; the others come before it.
constexpr std::uint32_t kDone = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;

// An opened file that changes so often is written by the app itself.
constexpr int kRestlessChanges = 10;
constexpr std::size_t kTouchesMax = 20'000;
constexpr auto kRestlessTime = std::chrono::seconds(60);

// Could be imported: a package's name.
bool is_identifier(std::string_view name) {
  return !name.empty() && (name[0] < '0' || name[0] > '9') &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                  (c & 0x80) != 0;
         });
}

// What is made by open(2) is going to be written; of what link(2) makes the question (writers.h) comes
// out well.
Writing writing_of(std::uint32_t mask) {
  if ((mask & kDone) != 0) return Writing::no;
  return (mask & (IN_CREATE | IN_MODIFY)) != 0 ? Writing::yes : Writing::unknown;
}

}  // namespace

void TreeWatcher::Impl::on_overflow() {
  why_.add(std::chrono::system_clock::now(), {}, "seen", "too many events at once: all files are looked at");
  wanted_.events_lost = true;
  want_whole();
}

// Other files may lie at the same paths now.
void TreeWatcher::Impl::on_mounts(const std::vector<std::string>& points) {
  const auto concerns = [this](const std::string& point) {
    const auto meets = [&point](const std::string& path) {
      return is_within(path, point) || is_within(point, path);
    };
    return meets(spec_.tree) || meets(root_) || std::any_of(spec_.roots.begin(), spec_.roots.end(), meets) ||
           std::any_of(spec_.watch.begin(), spec_.watch.end(), meets);
  };
  if (std::any_of(points.begin(), points.end(), concerns)) want_whole();
}

void TreeWatcher::Impl::on_inotify(const InotifyEvent& event) {
  const auto found = watches_.find(event.watch);
  if (found == watches_.end()) return;
  const Places places = found->second;  // what follows may change the table
  if ((event.mask & IN_IGNORED) != 0) watches_.erase(found);
  if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0) {
    on_self_event(*places, event);
    return;
  }
  if (event.name.empty()) return;
  const auto keep = shared_from_this();  // the owner may destroy the watcher when it is told of a change
  const auto is_data = [](const Place& place) { return place.role == WatchRole::data; };
  const bool also_data = std::any_of(places->begin(), places->end(), is_data);
  std::vector<std::string> told;
  for (const Place& place : *places) {
    const std::string path = join_path(place.folder, event.name);
    if (std::find(told.begin(), told.end(), path) == told.end()) {
      if (const auto point = points_.find(path); point != points_.end()) {
        told.push_back(path);
        on_point(Point(point->second), event.mask);
      }
    }
    if (stopped_) return;
    // A link or a missing piece on the way may be a source as well; the other points are all told.
    const auto point = points_.find(path);
    if (point != points_.end() && point->second.role != PointRole::rescan) continue;
    if (place.role == WatchRole::tree) {
      auto rule = on_tree_event(place, path, event);
      if (rule && !also_data) note_ignored(path, std::move(*rule), event.mask);
    } else if (place.role == WatchRole::data) {
      on_data_event(path, event.mask);
    } else if (place.role == WatchRole::packages) {
      on_packages_event(path, event.name, event.mask);
    }
    if (stopped_) return;
  }
}

// The parent tells of folders inside the tree; what lies above or beside it has nobody else to tell.
void TreeWatcher::Impl::on_self_event(const std::vector<Place>& places, const InotifyEvent& event) {
  const bool unmounted = (event.mask & IN_UNMOUNT) != 0;
  const auto matters = [this, unmounted](const Place& place) {
    const bool inner = place.role == WatchRole::tree || place.role == WatchRole::data;
    return unmounted || !inner || place.folder == root_;
  };
  if (std::any_of(places.begin(), places.end(), matters)) want_whole();
}

void TreeWatcher::Impl::on_point(const Point& point, std::uint32_t mask) {
  const bool is_file = point.role == PointRole::file || point.role == PointRole::data;
  if (is_file && (mask & kAppears) != 0) want_probe(point.reported);
  switch (point.role) {
    case PointRole::rescan:
      if ((mask & kEntryEvents) != 0) want_whole();
      break;
    case PointRole::file: on_file(point.reported, ChangeKind::source, mask); break;
    case PointRole::data:
      if (!is_apps_own(point.reported, mask)) on_file(point.reported, ChangeKind::watched_data, mask);
      break;
    case PointRole::entry:
      want_probe(point.reported);
      on_file(point.reported, ChangeKind::source, mask);
      break;
    case PointRole::restart: want_probe(point.reported); break;
    case PointRole::lock: on_lock(point.reported, mask); break;
  }
}

void TreeWatcher::Impl::on_lock(const std::string& path, std::uint32_t mask) {
  if ((mask & kEntryEvents) == 0) return;
  const LockState state = (mask & kAppears) != 0 ? LockState::held : LockState::free;
  if (locks_.on_event(path, state)) tell_lock(path, state);
}

std::optional<std::string> TreeWatcher::Impl::on_tree_event(const Place& place, const std::string& path,
                                                            const InotifyEvent& event) {
  const std::string_view name = event.name;
  const std::uint32_t mask = event.mask;
  if ((mask & IN_ISDIR) != 0) {
    if (auto rule = rules_->reason_here(path, PathType::folder)) return rule;
    if ((mask & kEntryEvents) != 0) want_folder(path, WatchRole::tree);
    return std::nullopt;
  }
  if (is_source_name(name)) {
    if (auto rule = rules_->reason_here(path, PathType::file)) return rule;
    if ((mask & kAppears) != 0) want_probe(path);  // a link to a file elsewhere?
    on_file(path, ChangeKind::source, mask);
    return std::nullopt;
  }
  if (name == ".gitignore") {
    want_whole();
  } else if (name == "pyvenv.cfg" && (mask & kAppears) != 0) {
    want_folder(place.folder, WatchRole::tree);  // it is a virtual environment from now on
  } else if ((mask & kAppears) != 0 && is_identifier(name)) {
    want_probe(path);  // a link to a package?
  }
  if ((mask & kDone) == 0) return std::nullopt;
  auto rule = rules_->reason_here(path, PathType::file);
  return rule ? std::move(rule) : std::optional<std::string>("no source, and not named in `watch`");
}

void TreeWatcher::Impl::on_data_event(const std::string& path, std::uint32_t mask) {
  const PathType type = (mask & IN_ISDIR) != 0 ? PathType::folder : PathType::file;
  if (auto rule = rules_->reason_here_by_config(path, type)) {
    note_ignored(path, std::move(*rule), mask);
  } else if (type == PathType::file) {
    on_file(path, ChangeKind::watched_data, mask);
  } else if ((mask & kEntryEvents) != 0) {
    want_folder(path, WatchRole::data);
  }
}

void TreeWatcher::Impl::on_packages_event(const std::string& path, std::string_view name,
                                          std::uint32_t mask) {
  const bool is_written = (mask & IN_CLOSE_WRITE) != 0 && is_installed_module(name);
  if (((mask & kEntryEvents) == 0 && !is_written) || name == "__pycache__") return;
  if (!noise_rule(name, PathType::file).empty()) return;
  emit(path, ChangeKind::packages);
}

void TreeWatcher::Impl::on_file(const std::string& path, ChangeKind kind, std::uint32_t mask) {
  if (touches_.size() < kTouchesMax || touches_.contains(path)) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    touches_[path] = {std::chrono::duration_cast<std::chrono::nanoseconds>(now).count(),
                      (mask & (IN_DELETE | IN_MOVED_FROM)) != 0};
  }
  emit(path, kind, writing_of(mask));
}

void TreeWatcher::Impl::note_ignored(const std::string& path, std::string rule, std::uint32_t mask) {
  if ((mask & (kDone | IN_ISDIR)) != 0)
    why_.add_ignored(std::chrono::system_clock::now(), path, std::move(rule));
}

// Files that a generation opened may be written by it as well; each such write must not make a new
// generation for ever. Not all writes are seen, as those of its child processes.
bool TreeWatcher::Impl::is_apps_own(const std::string& path, std::uint32_t mask) {
  if (!opened_.contains(path)) return false;
  const auto names_it = [&path](const std::string& named) { return is_within(path, tidy_path(named)); };
  if (std::any_of(spec_.watch.begin(), spec_.watch.end(), names_it)) return false;
  if (written_.contains(path)) {
    why_.add_ignored(std::chrono::system_clock::now(), path, "written by the app itself");
    return true;
  }
  Rhythm& rhythm = rhythms_[path];
  const SteadyTime now = loop_.now();
  if (rhythm.changes < kRestlessChanges && now - rhythm.since > kRestlessTime) rhythm = {now, 0};
  if ((mask & kDone) != 0) ++rhythm.changes;
  if (rhythm.changes < kRestlessChanges) return false;
  why_.add_ignored(std::chrono::system_clock::now(), path, "changes too often to be a part of the app");
  return true;
}

}  // namespace moult
