#pragma once

#include "daemon/watch/scan.h"
#include "daemon/watch/tree_watcher.h"

#include <map>
#include <set>
#include <unordered_set>

namespace moult {

// The inside of a TreeWatcher. Events become changes at once or a wish to look closer; wishes are
// collected and looked after by one background scan at a time (tree_watcher.cpp; the events are in
// tree_events.cpp). Shared with the scan under way, which may end after the watcher.
class TreeWatcher::Impl final : public InotifyListener, public std::enable_shared_from_this<Impl> {
 public:
  Impl(uv::Loop& loop, Inotify& inotify, WatchSpec spec, WhyLog& why, OnChange on_change);

  void start(std::function<void()> on_ready);
  void stop();
  void add_files(const std::vector<std::string>& files, FileRole role);
  void forget_files();
  void rescan();
  WatchStatus status() const;
  const std::set<std::string>& held_locks() const { return locks_.held(); }

  void on_inotify(const InotifyEvent& event) override;
  void on_overflow() override;
  void on_mounts(const std::vector<std::string>& points) override;

 private:
  struct Place {
    WatchRole role;
    std::string folder;
  };
  using Places = std::shared_ptr<const std::vector<Place>>;

  // What the next scan shall look at.
  struct Wanted {
    bool whole = false;
    bool events_lost = false;
    std::vector<ScanFolder> folders;
    std::vector<std::string> imported;
    std::vector<std::string> opened;
    std::set<std::string> probes;
    bool is_empty() const {
      return !whole && folders.empty() && imported.empty() && opened.empty() && probes.empty();
    }
  };
  // The last event of a file: what a scan finds later may be no news.
  struct Touch {
    std::int64_t when = 0;  // wall clock, ns
    bool gone = false;
  };
  // How often a data file changed lately.
  struct Rhythm {
    SteadyTime since{};
    int changes = 0;
  };

  // Events (tree_events.cpp).
  void on_self_event(const std::vector<Place>& places, const InotifyEvent& event);
  void on_point(const Point& point, std::uint32_t mask);
  void on_lock(const std::string& path, std::uint32_t mask);
  // Returns the rule that ignores it.
  std::optional<std::string> on_tree_event(const Place& place, const std::string& path,
                                           const InotifyEvent& event);
  void on_data_event(const std::string& path, std::uint32_t mask);
  void on_packages_event(const std::string& path, std::string_view name, std::uint32_t mask);
  void on_file(const std::string& path, ChangeKind kind, std::uint32_t mask);
  void note_ignored(const std::string& path, std::string rule, std::uint32_t mask);
  bool is_apps_own(const std::string& path, std::uint32_t mask);

  // Scans (tree_watcher.cpp).
  void want_whole();
  void want_folder(const std::string& path, WatchRole role);
  void want_probe(const std::string& path);
  void pump();
  ScanRequest make_request();
  void finish(const ScanRequest& request, bool events_lost, ScanResult result);
  void take_watches(const ScanRequest& request, ScanResult& result);
  void listen(const FolderWatch& watch);
  void forget(int number, const Place& place);
  void forget_all_watches();
  void start_polling(std::string note);
  void schedule();
  bool is_told(const TableChange& change) const;
  void forget_old_touches();
  void emit_changes(const ScanResult& result, bool events_lost);
  void compare_marks(const std::vector<std::pair<std::string, FileStamp>>& probed);
  void emit(const std::string& path, ChangeKind kind, Writing writing = Writing::unknown);
  void tell_lock(const std::string& path, LockState state);
  std::string restart_file() const;

  uv::Loop& loop_;
  Inotify& inotify_;
  const WatchSpec spec_;
  WhyLog& why_;
  OnChange on_change_;
  std::function<void()> on_ready_;

  WatchMode mode_ = WatchMode::starting;
  std::string note_;
  bool stopped_ = false;

  // As of the last scan.
  FileTablePtr table_;
  IgnoreRulesPtr rules_;
  Points points_;
  std::string root_;
  std::size_t folders_ = 0;
  std::size_t files_ = 0;
  Seconds cost_{};
  std::map<std::string, FileStamp> marks_;  // of the entry file and of restart.txt
  VcsLocks locks_;
  std::unordered_map<int, Places> watches_;

  std::set<std::string> imported_;
  std::set<std::string> opened_;
  std::set<std::string> written_;
  std::map<std::string, Rhythm> rhythms_;

  Wanted wanted_;
  std::unordered_map<std::string, Touch> touches_;  // since the last scan of everything began
  bool scanning_ = false;
  std::int64_t scan_began_wall_ = 0;
  SteadyTime scan_began_{};
  SteadyTime next_whole_{};
  SteadyTime last_change_{};
  SteadyTime retry_inotify_{};
  std::unique_ptr<uv::Timer> timer_;
};

}  // namespace moult
