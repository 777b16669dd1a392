#include "daemon/watch/tree_watcher.h"

#include "daemon/tree/noise.h"
#include "daemon/tree/tree_rules.h"
#include "daemon/watch/polling.h"
#include "daemon/watch/watcher_impl.h"

#include <fmt/format.h>

#include <sys/inotify.h>
#include <algorithm>

namespace moult {

namespace {

// More than this at once become one change of the tree.
constexpr std::size_t kChangesMax = 200;
constexpr std::size_t kFoldersMax = 100;
constexpr std::size_t kFilesMax = 20'000;
constexpr std::uint32_t kChanged = IN_CLOSE_WRITE;  // what polling saw
constexpr auto kRetryInotify = std::chrono::minutes(10);

std::int64_t wall_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::string_view to_string(WatchMode mode) {
  switch (mode) {
    case WatchMode::starting: return "starting";
    case WatchMode::inotify: return "inotify";
    case WatchMode::polling: return "polling";
  }
  return "";
}

TreeWatcher::TreeWatcher(uv::Loop& loop, Inotify& inotify, WatchSpec spec, WhyLog& why, OnChange on_change)
    : impl_(std::make_shared<Impl>(loop, inotify, std::move(spec), why, std::move(on_change))) {}
TreeWatcher::~TreeWatcher() { impl_->stop(); }
void TreeWatcher::start(std::function<void()> on_ready) { impl_->start(std::move(on_ready)); }
void TreeWatcher::add_files(const std::vector<std::string>& files, FileRole role) {
  impl_->add_files(files, role);
}
void TreeWatcher::forget_files() { impl_->forget_files(); }
void TreeWatcher::rescan() { impl_->rescan(); }
WatchStatus TreeWatcher::status() const { return impl_->status(); }
const std::set<std::string>& TreeWatcher::held_locks() const { return impl_->held_locks(); }

TreeWatcher::Impl::Impl(uv::Loop& loop, Inotify& inotify, WatchSpec spec, WhyLog& why, OnChange on_change)
    : loop_(loop),
      inotify_(inotify),
      spec_(std::move(spec)),
      why_(why),
      on_change_(std::move(on_change)),
      timer_(std::make_unique<uv::Timer>(loop)) {}

void TreeWatcher::Impl::start(std::function<void()> on_ready) {
  on_ready_ = std::move(on_ready);
  want_whole();
}

void TreeWatcher::Impl::stop() {
  stopped_ = true;
  timer_.reset();
  inotify_.leave(*this);
  watches_.clear();
}

void TreeWatcher::Impl::add_files(const std::vector<std::string>& files, FileRole role) {
  if (role == FileRole::written) {
    if (written_.size() >= kFilesMax) written_.clear();  // what it forgets wakes the owner, no more
    for (const std::string& path : files) written_.insert(tidy_path(path));
    return;
  }
  if (role == FileRole::opened && !spec_.opened) return;
  std::set<std::string>& known = role == FileRole::imported ? imported_ : opened_;
  std::vector<std::string>& fresh = role == FileRole::imported ? wanted_.imported : wanted_.opened;
  for (const std::string& given : files) {
    std::string path = tidy_path(given);
    if (known.size() >= kFilesMax || (role == FileRole::opened && imported_.contains(path))) continue;
    if (!known.insert(path).second) continue;
    if (table_ && find_entry(*table_, path) != nullptr) continue;  // watched for another reason
    fresh.push_back(std::move(path));
  }
  pump();
}

// They stay watched until the next scan of everything, which costs nothing extra.
void TreeWatcher::Impl::forget_files() {
  imported_.clear();
  opened_.clear();
  rhythms_.clear();
}

void TreeWatcher::Impl::rescan() {
  wanted_.events_lost = true;
  want_whole();
}

WatchStatus TreeWatcher::Impl::status() const {
  WatchStatus status;
  status.mode = mode_;
  status.note = note_;
  status.folders = folders_;
  status.files = files_;
  status.tree_exists = mode_ == WatchMode::starting || !root_.empty();
  if (mode_ == WatchMode::polling) status.interval = polling_interval(cost_, loop_.now() - last_change_);
  if (scanning_) status.scanning = loop_.now() - scan_began_;
  if (!status.tree_exists)
    status.note = fmt::format("{} is not there{}{}", spec_.tree, note_.empty() ? "" : "; ", note_);
  return status;
}

// ---- what to look at next

void TreeWatcher::Impl::want_whole() {
  wanted_.whole = true;
  pump();
}

void TreeWatcher::Impl::want_folder(const std::string& path, WatchRole role) {
  const ScanFolder folder{path, role};
  const auto holds = [&folder](const ScanFolder& other) {
    return other.role == folder.role && is_within(folder.path, other.path);
  };
  if (std::any_of(wanted_.folders.begin(), wanted_.folders.end(), holds)) return;
  if (wanted_.folders.size() >= kFoldersMax) {
    want_whole();
    return;
  }
  wanted_.folders.push_back(folder);
  pump();
}

void TreeWatcher::Impl::want_probe(const std::string& path) {
  wanted_.probes.insert(path);
  pump();
}

void TreeWatcher::Impl::pump() {
  if (stopped_ || scanning_ || wanted_.is_empty()) return;
  if (!table_ && !wanted_.whole) return;  // before start()
  // Polling looks at everything in its own time, and a storm of events leaves the processor some.
  if (mode_ == WatchMode::polling && !wanted_.whole) return;
  if (wanted_.whole && loop_.now() < next_whole_) {
    if (!timer_->is_active()) schedule();
    return;
  }
  scanning_ = true;
  scan_began_ = loop_.now();
  const bool events_lost = wanted_.events_lost;
  const auto request = std::make_shared<const ScanRequest>(make_request());
  wanted_ = Wanted{};
  scan_began_wall_ = wall_nanoseconds();
  if (request->whole) locks_.on_scan_begins();
  inotify_.job_begins(*this);
  uv::compute_in_background<ScanResult>(
      loop_, {uv::Work::sources, request->spec.tree}, [request] { return scan(*request); },
      [self = shared_from_this(), inotify = inotify_.self(), request, events_lost](ScanResult result) {
        if (*inotify == nullptr) return;
        if (self->stopped_) {
          for (const FolderWatch& watch : result.watches) (*inotify)->discard(watch.number);
          (*inotify)->job_ends(*self);
          return;
        }
        self->finish(*request, events_lost, std::move(result));
      });
}

ScanRequest TreeWatcher::Impl::make_request() {
  ScanRequest request;
  request.spec = spec_;
  request.whole = wanted_.whole;
  request.before = table_;
  request.rules = wanted_.whole ? nullptr : rules_;
  request.probes.assign(wanted_.probes.begin(), wanted_.probes.end());
  if (wanted_.whole) {
    request.imported.assign(imported_.begin(), imported_.end());
    request.opened.assign(opened_.begin(), opened_.end());
  } else {
    request.imported = std::move(wanted_.imported);
    request.opened = std::move(wanted_.opened);
    request.folders = std::move(wanted_.folders);
  }
  const bool may_use = mode_ != WatchMode::polling || loop_.now() >= retry_inotify_;
  if (!spec_.always_poll && may_use) request.adder = inotify_.adder();
  return request;
}

// ---- what was found

void TreeWatcher::Impl::finish(const ScanRequest& request, bool events_lost, ScanResult result) {
  scanning_ = false;
  const bool first = table_ == nullptr;
  const std::string root_before = std::exchange(root_, result.root);
  table_ = result.table;
  files_ =
      static_cast<std::size_t>(std::count_if(table_->begin(), table_->end(), [](const TableEntry& entry) {
        return entry.stamp.exists() && entry.kind != ChangeKind::packages;
      }));
  rules_ = result.rules;
  if (request.whole) {
    points_ = std::move(result.points);
    folders_ = result.folders;
    cost_ = result.cost;
  } else {
    points_.merge(result.points);
  }
  take_watches(request, result);
  if (request.whole) {
    next_whole_ = loop_.now() + std::chrono::duration_cast<Milliseconds>(cost_ * 4);
    for (const IgnoredPath& ignored : result.ignored_folders) {
      if (first) why_.add_ignored(std::chrono::system_clock::now(), ignored.path, ignored.rule);
    }
  }
  // Kept events are delivered here: the tables above are already the new ones. From here on the owner
  // may destroy us; our caller holds us.
  inotify_.job_ends(*this);
  if (!stopped_) compare_marks(result.probed);
  if (!stopped_ && request.whole) {
    for (const auto& [path, state] : locks_.on_scanned(result.locks)) {
      if (!stopped_) tell_lock(path, state);
    }
  }
  if (!stopped_ && !first && root_ != root_before) {
    emit(spec_.tree, ChangeKind::source);
  } else if (!stopped_ && !first) {
    emit_changes(result, events_lost);
  }
  if (stopped_) return;
  if (request.whole) forget_old_touches();
  if (result.found_link) wanted_.whole = true;
  if (const auto ready = std::exchange(on_ready_, nullptr)) ready();
  if (stopped_) return;
  schedule();
  pump();
}

void TreeWatcher::Impl::take_watches(const ScanRequest& request, ScanResult& result) {
  if (!request.adder || !result.problem.empty()) {
    for (const FolderWatch& watch : result.watches) inotify_.discard(watch.number);
    if (mode_ != WatchMode::polling || !result.problem.empty()) {
      std::string why = !result.problem.empty() ? result.problem
                        : spec_.always_poll     ? std::string("`polling = true`")
                                                : inotify_.problem();
      start_polling(std::move(why));
    }
    return;
  }
  std::unordered_map<int, Places> old;
  if (request.whole) {
    old = std::exchange(watches_, {});
    mode_ = WatchMode::inotify;
    note_.clear();
  }
  std::vector<std::pair<int, Place>> stale;
  for (const auto& [number, places] : request.whole ? old : watches_) {
    for (const Place& place : *places) {
      const auto holds = [&place](const ScanFolder& folder) {
        return folder.role == place.role && is_within(place.folder, folder.path);
      };
      if (request.whole || std::any_of(request.folders.begin(), request.folders.end(), holds)) {
        stale.emplace_back(number, place);
      }
    }
  }
  if (request.whole) {
    for (const FolderWatch& watch : result.watches) listen(watch);
    for (const auto& [number, place] : stale) inotify_.forget(number, *this);
    return;
  }
  // First the new ones, so that a watch that stays is never without a listener.
  for (const FolderWatch& watch : result.watches) inotify_.listen(watch.number, *this);
  for (const auto& [number, place] : stale) forget(number, place);
  for (const FolderWatch& watch : result.watches) {
    listen(watch);
    inotify_.forget(watch.number, *this);
  }
}

void TreeWatcher::Impl::listen(const FolderWatch& watch) {
  Places& places = watches_[watch.number];
  auto extended = places ? *places : std::vector<Place>();
  for (const Place& place : extended) {
    if (place.role == watch.role && place.folder == watch.folder) return;
  }
  extended.push_back({watch.role, watch.folder});
  places = std::make_shared<const std::vector<Place>>(std::move(extended));
  inotify_.listen(watch.number, *this);
}

void TreeWatcher::Impl::forget(int number, const Place& place) {
  const auto found = watches_.find(number);
  if (found == watches_.end()) return;
  std::vector<Place> rest = *found->second;
  const auto is_it = [&place](const Place& one) {
    return one.role == place.role && one.folder == place.folder;
  };
  if (std::erase_if(rest, is_it) == 0) return;
  inotify_.forget(number, *this);
  if (rest.empty()) {
    watches_.erase(found);
  } else {
    found->second = std::make_shared<const std::vector<Place>>(std::move(rest));
  }
}

void TreeWatcher::Impl::forget_all_watches() {
  for (const auto& [number, places] : std::exchange(watches_, {})) {
    for (std::size_t i = 0; i < places->size(); ++i) inotify_.forget(number, *this);
  }
}

void TreeWatcher::Impl::start_polling(std::string note) {
  forget_all_watches();
  mode_ = WatchMode::polling;
  note_ = std::move(note);
  retry_inotify_ = loop_.now() + kRetryInotify;
}

// The next scan that nobody asked for (polling), or one that was asked for too early.
void TreeWatcher::Impl::schedule() {
  Milliseconds wait{};
  if (mode_ == WatchMode::polling) {
    wait = polling_interval(cost_, loop_.now() - last_change_);
  } else if (wanted_.whole) {
    wait = std::chrono::ceil<Milliseconds>(next_whole_ - loop_.now());
  } else {
    return;
  }
  timer_->start(std::max(wait, Milliseconds(1)), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && !self->stopped_) self->want_whole();
  });
}

// Whether the state that a scan found is what an event has already told of. Where the clock jumped,
// a change is told twice, which costs a look at hashes.
bool TreeWatcher::Impl::is_told(const TableChange& change) const {
  const auto touch = touches_.find(change.path);
  if (touch == touches_.end() || touch->second.gone == change.stamp.exists()) return false;
  if (touch->second.when > wall_nanoseconds()) return false;  // the clock was set back
  return touch->second.gone || change.stamp.changed <= touch->second.when;
}

void TreeWatcher::Impl::forget_old_touches() {
  std::erase_if(touches_, [this](const auto& touch) { return touch.second.when < scan_began_wall_; });
}

void TreeWatcher::Impl::emit_changes(const ScanResult& result, bool events_lost) {
  std::size_t told = 0;
  for (const TableChange& change : result.changes) {
    if (stopped_) return;
    if (!events_lost && is_told(change)) continue;
    if (change.kind == ChangeKind::watched_data && is_apps_own(change.path, kChanged)) continue;
    if (++told > kChangesMax) {
      emit(spec_.tree, change.kind);
      return;
    }
    emit(change.path, change.kind);
  }
}

void TreeWatcher::Impl::compare_marks(const std::vector<std::pair<std::string, FileStamp>>& probed) {
  for (const auto& [path, stamp] : probed) {
    const bool is_entry = !spec_.entry_file.empty() && path == spec_.entry_file;
    if (stopped_ || (!is_entry && path != restart_file())) continue;
    const auto [mark, is_new] = marks_.try_emplace(path, stamp);
    if (is_new || !stamp.exists()) continue;  // a tree that is moved away and back is not touched
    const FileStamp old = std::exchange(mark->second, stamp);
    // Nor is a chmod or a new hard link a touch.
    if (stamp.modified == old.modified && stamp.inode == old.inode) continue;
    emit(path, is_entry ? ChangeKind::entry_touch : ChangeKind::restart_file);
  }
}

void TreeWatcher::Impl::tell_lock(const std::string& path, LockState state) {
  const bool held = state == LockState::held;
  on_change_({path, held ? ChangeKind::vcs_lock_taken : ChangeKind::vcs_lock_released, loop_.now()});
}

void TreeWatcher::Impl::emit(const std::string& path, ChangeKind kind, Writing writing) {
  last_change_ = loop_.now();
  why_.add(std::chrono::system_clock::now(), path, "seen", std::string(to_string(kind)));
  if (spec_.reach == Reach::files) wanted_.whole = true;  // it may import other neighbours now
  on_change_({path, kind, loop_.now(), writing});
  pump();
}

std::string TreeWatcher::Impl::restart_file() const {
  return spec_.restart_file.empty() ? join_path(spec_.tree, "tmp/restart.txt") : spec_.restart_file;
}

}  // namespace moult
