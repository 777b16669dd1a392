#include "daemon/watch/scan.h"

#include "daemon/snapshot/commit.h"
#include "daemon/snapshot/package_listings.h"
#include "daemon/snapshot/source_list.h"
#include "daemon/tree/file_system.h"
#include "daemon/tree/tree_rules.h"
#include "daemon/tree/tree_walk.h"
#include "daemon/watch/path_chain.h"
#include "daemon/watch/polling.h"
#include "ipc/base/fd.h"

#include <fmt/format.h>

#include <sys/inotify.h>
#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <map>
#include <set>

namespace moult {

namespace {

constexpr std::size_t kIgnoreFileMax = 1u << 20;
constexpr std::size_t kHashedMax = 8u << 20;
constexpr std::size_t kIgnoredMax = 20;

const std::uint32_t kFolderEvents = kContentEvents | kSelfEvents | IN_ONLYDIR;

long long wall_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Seconds thread_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return Seconds(static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9);
}

// Paths of lock files, relative to the state folder of a VCS.
std::string lock_of(const VersionControl& control) {
  if (control.name == ".git") return join_path(control.state, "index.lock");
  if (control.name == ".hg") return join_path(control.state, "wlock");
  if (control.name == ".svn") return join_path(control.state, "wc.db-journal");
  if (control.name == ".jj") return join_path(control.state, "working_copy/working_copy.lock");
  return {};
}

// One scan under way.
class Scan final : public TreeVisitor, public WatchSink {
 public:
  explicit Scan(const ScanRequest& request);
  ScanResult run();

  void watch(const std::string& folder, WatchRole role, std::uint32_t mask) override;
  void point(const std::string& path, Point point) override {
    result_.points.emplace(path, std::move(point));
  }

  bool enter(const std::string& folder, const FileStamp& stamp) override;
  bool wants(const std::string& folder, std::string_view name) override;
  void file(const std::string& path, const FileStamp& stamp, bool is_link) override;
  void folder_link(const std::string& path) override { point(path, {PointRole::rescan, path}); }
  void left_out(const std::string&, const std::string&) override {}

 private:
  void scan_everything();
  void scan_parts();
  void walk(const std::string& root, WatchRole role);
  void follow_file(const std::string& path, PointRole role);
  void follow_imported_neighbours();
  void look_at_packages(const std::string& folder);
  void find_lock();
  void look_at_lock();
  void add_rules_above();
  void read_ignore_file(const std::string& path, const std::string& folder, const std::string& label);
  void check_file_system(const std::string& path, std::uint64_t device);
  void add_entry(const std::string& path, ChangeKind kind, const FileStamp& stamp);
  void keep_old_entries();
  void find_changes();
  void probe();
  bool is_probe_alone() const;

  const ScanRequest& request_;
  ScanResult result_;
  IgnoreRules rules_;
  FileTable table_;
  std::map<std::pair<std::string, WatchRole>, std::uint32_t> watched_;  // with the events asked for
  std::set<std::uint64_t> devices_;
  WatchRole walking_ = WatchRole::tree;
  std::string walk_root_;
  std::string lock_;  // "": no VCS
  const long long began_ = wall_nanoseconds();
};

Scan::Scan(const ScanRequest& request)
    : request_(request),
      rules_(request.rules ? *request.rules
                           : IgnoreRules(tidy_path(request.spec.tree), request.spec.ignore)) {}

// ---- watches

void Scan::watch(const std::string& folder, WatchRole role, std::uint32_t mask) {
  if (!request_.adder || !result_.problem.empty()) return;
  std::uint32_t& known = watched_[{folder, role}];
  if ((known & mask) == mask) return;
  const int number = request_.adder->add(folder, mask);
  if (number == -ENOSPC || number == -ENOMEM) {
    result_.problem = "the limit of inotify watches is reached (fs.inotify.max_user_watches)";
  }
  // ENOENT, EACCES: the folder went meanwhile or is closed to us; its parent tells when that changes.
  if (number < 0) return;
  if (known == 0) result_.watches.push_back({number, role, folder});
  known |= mask;
}

void Scan::check_file_system(const std::string& path, std::uint64_t device) {
  if (!request_.adder || !devices_.insert(device).second || !result_.problem.empty()) return;
  const std::string_view name = remote_file_system(path);
  if (!name.empty()) result_.problem = fmt::format("{} on {} does not tell inotify of changes", name, path);
}

// ---- walking

bool Scan::enter(const std::string& folder, const FileStamp& stamp) {
  if (folder != walk_root_) {
    // Below a folder named in `watch` only the config's and the built-in rules count.
    const auto rule = walking_ == WatchRole::tree ? rules_.reason_here(folder, PathType::folder)
                                                  : rules_.reason_here_by_config(folder, PathType::folder);
    if (rule) {
      if (result_.ignored_folders.size() < kIgnoredMax) result_.ignored_folders.push_back({folder, *rule});
      return false;
    }
  }
  ++result_.folders;
  check_file_system(folder, stamp.device);
  watch(folder, walking_, kFolderEvents);
  if (walking_ == WatchRole::tree) {
    const std::string path = join_path(folder, ".gitignore");
    const bool inside = is_within(folder, result_.root) && folder.size() > result_.root.size();
    read_ignore_file(path, folder, inside ? path.substr(result_.root.size() + 1) : std::string(".gitignore"));
  }
  return true;
}

bool Scan::wants(const std::string&, std::string_view name) {
  return walking_ == WatchRole::data || is_source_name(name);
}

void Scan::file(const std::string& path, const FileStamp& stamp, bool is_link) {
  const bool in_tree = walking_ == WatchRole::tree;
  if (in_tree ? rules_.reason_here(path, PathType::file) : rules_.reason_here_by_config(path, PathType::file))
    return;
  add_entry(path, in_tree ? ChangeKind::source : ChangeKind::watched_data, stamp);
  // What a link leads to changes somewhere else.
  if (is_link) follow_path(path, {in_tree ? PointRole::file : PointRole::data, path}, *this);
}

void Scan::add_entry(const std::string& path, ChangeKind kind, const FileStamp& stamp) {
  TableEntry entry{path, kind, stamp, {}};
  if (!request_.adder && stamp.exists() && kind != ChangeKind::packages && stamp.size <= kHashedMax) {
    const TableEntry* old = request_.before ? find_entry(*request_.before, path) : nullptr;
    const bool was_racy = old != nullptr && !old->hash.is_nothing() && old->stamp == stamp;
    if (was_racy || is_racy(std::max(stamp.changed, stamp.modified), began_)) {
      if (const auto content = read_file(path, kHashedMax)) entry.hash = hash_of(*content);
    }
  }
  table_.push_back(std::move(entry));
}

void Scan::walk(const std::string& root, WatchRole role) {
  walking_ = role;
  walk_root_ = root;
  TreeWalk(*this).walk(root);
}

// ---- rules

void Scan::read_ignore_file(const std::string& path, const std::string& folder, const std::string& label) {
  if (const auto text = read_file(path, kIgnoreFileMax)) rules_.set_file(folder, *text, label);
}

// .gitignore files between the top of the working copy and the tree, and .git/info/exclude.
void Scan::add_rules_above() {
  const VersionControl control = find_version_control(result_.root);
  if (control.name != ".git") return;
  read_ignore_file(join_path(control.state, "info/exclude"), control.top, ".git/info/exclude");
  for (std::string folder = control.top; folder != result_.root && is_within(result_.root, folder);) {
    read_ignore_file(join_path(folder, ".gitignore"), folder, join_path(folder, ".gitignore"));
    const std::size_t next = result_.root.find('/', folder.size() + 1);
    folder = result_.root.substr(0, next);
  }
}

// ---- single files

void Scan::follow_file(const std::string& path, PointRole role) {
  const std::string real = follow_path(path, {role, path}, *this);
  const FileStamp stamp = stamp_of(path);
  if (!real.empty()) check_file_system(real, stamp.device);
  switch (role) {
    case PointRole::file: add_entry(path, ChangeKind::source, stamp); break;
    case PointRole::data: add_entry(path, ChangeKind::watched_data, stamp); break;
    case PointRole::entry:
      add_entry(path, ChangeKind::source, stamp);
      result_.probed.emplace_back(path, stamp);
      break;
    case PointRole::restart: result_.probed.emplace_back(path, stamp); break;
    case PointRole::lock:
    case PointRole::rescan: break;
  }
}

// The same files as in the snapshot of such an app.
void Scan::follow_imported_neighbours() {
  SourceList listed;
  listed.root = result_.root;
  const std::string entry = rebase_path(request_.spec.entry_file, request_.spec.tree, result_.root);
  if (const FileStamp stamp = stamp_of(entry); stamp.exists()) listed.sources.push_back({entry, stamp});
  // Names that nothing has yet are looked for too: a module that is missing may be written next.
  for (const std::string& name : follow_imports(result_.root, entry, listed, SnapshotLimits{})) {
    const std::string module = join_path(result_.root, name + ".py");
    if (module != entry) follow_file(module, PointRole::file);
    point(join_path(result_.root, name), {PointRole::rescan, name});
  }
  for (const ListedFile& file : listed.sources) {
    if (folder_of(file.path) != result_.root) follow_file(file.path, PointRole::file);
  }
}

void Scan::find_lock() {
  lock_ = lock_of(find_version_control(result_.root));
  if (!lock_.empty()) follow_path(lock_, {PointRole::lock, lock_}, *this);
}

// At the end: what was found meanwhile may be half of what the lock's owner does, and he may be done.
void Scan::look_at_lock() {
  if (lock_.empty()) return;
  struct stat status {};
  const bool is_there = ::lstat(lock_.c_str(), &status) == 0;  // Mercurial's is a link to nowhere
  result_.locks.emplace_back(lock_, is_there ? LockState::held : LockState::free);
}

void Scan::probe() {
  for (const std::string& path : request_.probes) {
    struct stat status {};
    result_.probed.emplace_back(path, stamp_of(path));
    if (::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode)) result_.found_link = true;
  }
}

// ---- the whole

void Scan::scan_everything() {
  const WatchSpec& spec = request_.spec;
  result_.root = follow_path(spec.tree, {PointRole::rescan, spec.tree}, *this);
  rules_ = IgnoreRules(result_.root.empty() ? tidy_path(spec.tree) : result_.root, spec.ignore);
  if (!result_.root.empty()) {
    add_rules_above();
    find_lock();
    if (spec.reach == Reach::tree) walk(result_.root, WatchRole::tree);
    if (spec.reach == Reach::files) follow_imported_neighbours();
  }
  for (const std::string& root : spec.roots) {
    const std::string real = follow_path(root, {PointRole::rescan, root}, *this);
    const bool inside = !result_.root.empty() && is_within(real, result_.root);
    if (!real.empty() && !is_package_folder(real) && !inside) walk(real, WatchRole::tree);
  }
  // The name of a module may be that of a folder, whose time changes with its byte code.
  std::error_code error;
  if (!spec.entry_file.empty() && !std::filesystem::is_directory(spec.entry_file, error))
    follow_file(spec.entry_file, PointRole::entry);
  follow_file(spec.restart_file.empty() ? join_path(spec.tree, "tmp/restart.txt") : spec.restart_file,
              PointRole::restart);
  for (const std::string& path : spec.watch) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
      const std::string real = follow_path(path, {PointRole::rescan, path}, *this);
      if (!real.empty()) walk(real, WatchRole::data);
    } else {
      follow_file(path, PointRole::data);
    }
  }
  for (const std::string& folder : spec.packages) look_at_packages(folder);
}

// The folder tells of what comes and goes; single modules in it may also be written in place.
void Scan::look_at_packages(const std::string& folder) {
  const std::string real = follow_path(folder, {PointRole::rescan, folder}, *this);
  add_entry(folder, ChangeKind::packages, stamp_of(folder));
  if (real.empty()) return;
  watch(real, WatchRole::packages, kEntryEvents | kSelfEvents | IN_CLOSE_WRITE);
  std::error_code error;
  for (std::filesystem::directory_iterator at(real, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!is_installed_module(name)) continue;
    const std::string path = join_path(real, name);
    add_entry(path, ChangeKind::packages, stamp_of(path));
  }
}

void Scan::scan_parts() {
  result_.root = request_.rules->root();
  for (const ScanFolder& folder : request_.folders) {
    const auto rule = folder.role == WatchRole::tree
                          ? rules_.reason(folder.path, PathType::folder)
                          : rules_.reason_here_by_config(folder.path, PathType::folder);
    if (!rule) walk(folder.path, folder.role);
  }
  keep_old_entries();
}

// Those of folders that were just walked come from the walk, but for files that count although a rule
// ignores them (imported ones).
void Scan::keep_old_entries() {
  for (const TableEntry& entry : *request_.before) {
    const auto holds = [&entry](const ScanFolder& folder) {
      return is_within(entry.path, folder.path) &&
             entry.kind == (folder.role == WatchRole::tree ? ChangeKind::source : ChangeKind::watched_data);
    };
    if (std::none_of(request_.folders.begin(), request_.folders.end(), holds)) {
      table_.push_back(entry);
    } else if (rules_.reason(entry.path, PathType::file)) {
      add_entry(entry.path, entry.kind, stamp_of(entry.path));
    }
  }
}

// The differences that are news: not files that are looked at for the first time because a generation
// uses them, nor files that are as they were but are not looked at any more.
void Scan::find_changes() {
  if (!request_.before) return;
  std::set<std::string_view> used(request_.imported.begin(), request_.imported.end());
  used.insert(request_.opened.begin(), request_.opened.end());
  for (TableChange& change : compare_tables(*request_.before, table_)) {
    const TableEntry* old = find_entry(*request_.before, change.path);
    const bool newly_used = request_.spec.reach == Reach::files || used.contains(change.path);
    if (old == nullptr && newly_used) continue;
    if (find_entry(table_, change.path) == nullptr) {
      change.stamp = stamp_of(change.path);
      if (change.stamp == old->stamp) continue;
    }
    result_.changes.push_back(std::move(change));
  }
}

// The usual one after a file was saved: it costs nothing in a large tree.
bool Scan::is_probe_alone() const {
  return !request_.whole && request_.folders.empty() && request_.imported.empty() && request_.opened.empty();
}

ScanResult Scan::run() {
  if (is_probe_alone()) {
    result_.root = request_.rules->root();
    result_.rules = request_.rules;
    result_.table = request_.before;
    probe();
    return std::move(result_);
  }
  const Seconds cpu = thread_time();
  const SteadyTime began = Steady::now();
  if (request_.whole) {
    scan_everything();
  } else {
    scan_parts();
  }
  for (const std::string& path : request_.imported) follow_file(path, PointRole::file);
  for (const std::string& path : request_.opened) {
    if (!rules_.reason_here_by_config(path, PathType::file)) follow_file(path, PointRole::data);
  }
  probe();
  sort_table(table_);
  find_changes();
  look_at_lock();
  result_.table = std::make_shared<const FileTable>(std::move(table_));
  result_.rules = std::make_shared<const IgnoreRules>(std::move(rules_));
  // A slow file system is not to be asked all the time either, although it costs no processor time.
  const Seconds waited = Steady::now() - began;
  result_.cost = std::max(thread_time() - cpu, waited / 4);
  return std::move(result_);
}

}  // namespace

bool is_installed_module(std::string_view name) {
  return is_source_name(name) || is_extension_module(name) || name.ends_with(".pth");
}

ScanResult scan(const ScanRequest& request) { return Scan(request).run(); }

}  // namespace moult
