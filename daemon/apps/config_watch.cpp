#include "daemon/apps/config_watch.h"

#include "daemon/tree/tree_rules.h"

#include <sys/inotify.h>
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace moult {

namespace {

namespace fs = std::filesystem;

// Editors write in several steps; a file half written would be an error for nothing.
constexpr Milliseconds kSettle{300};
constexpr Milliseconds kPollPeriod{2'000};
constexpr std::uint32_t kMask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE;
constexpr std::uint32_t kSelf = IN_DELETE_SELF | IN_MOVE_SELF;

// Of moult.toml and what is in apps/, through links.
ConfigWatch::Stamps stamps_below(const std::string& folder) {
  ConfigWatch::Stamps stamps;
  const auto add = [&stamps](const std::string& path) { stamps.emplace(path, stamp_of(path)); };
  add(folder + "/moult.toml");
  std::error_code error;
  for (fs::directory_iterator item(folder + "/apps", error), end; !error && item != end;
       item.increment(error))
    add(item->path().string());
  return stamps;
}

}  // namespace

ConfigWatch::ConfigWatch(uv::Loop& loop, Inotify& inotify, std::string folder,
                         std::function<void()> on_change)
    : inotify_(inotify),
      folder_(std::move(folder)),
      on_change_(std::move(on_change)),
      settle_(loop),
      loop_(loop),
      poll_(loop) {
  watch_all();
}

ConfigWatch::~ConfigWatch() {
  for (const auto& [number, folders] : folders_) inotify_.forget(number, *this);
}

void ConfigWatch::watch_all() {
  adder_ = inotify_.adder();
  note_ = adder_ ? "" : "the config folder is polled: " + inotify_.problem();
  if (!adder_) return poll();
  inotify_.job_begins(*this);
  const auto before = std::exchange(folders_, {});
  points_.clear();
  const std::string apps = folder_ + "/apps";
  for (const std::string& folder : {folder_, apps}) {
    follow(folder);
    watch(folder, WatchRole::names, kMask);
  }
  follow(folder_ + "/moult.toml");
  std::error_code error;
  for (fs::directory_iterator item(apps, error), end; !error && item != end; item.increment(error)) {
    if (item->path().extension() == ".toml") follow(item->path().string());
  }
  for (const auto& [number, folders] : before) inotify_.forget(number, *this);
  adder_.reset();
  inotify_.job_ends(*this);
  poll();
}

void ConfigWatch::follow(const std::string& path) { follow_path(path, {PointRole::file, path}, *this); }

void ConfigWatch::watch(const std::string& folder, WatchRole, std::uint32_t mask) {
  const int number = adder_->add(folder, (mask & (kMask | kSelf)) | IN_ONLYDIR);
  const bool is_there = number != -ENOENT && number != -ENOTDIR;
  if (number < 0 && is_there) note_ = "the config folder is polled: " + os_error(folder, -number).message;
  if (number < 0) return;
  const auto [at, fresh] = folders_.try_emplace(number);
  at->second.insert(folder);
  if (fresh) inotify_.listen(number, *this);
}

void ConfigWatch::point(const std::string& path, Point) { points_.insert(path); }

bool ConfigWatch::concerns(const InotifyEvent& event) const {
  const auto found = folders_.find(event.watch);
  if (found == folders_.end()) return false;
  if (event.name.empty()) return (event.mask & kSelf) != 0;
  return std::any_of(found->second.begin(), found->second.end(), [&](const std::string& folder) {
    if (points_.contains(join_path(folder, event.name))) return true;
    if ((event.mask & IN_ISDIR) != 0) return folder == folder_ && event.name == "apps";
    return (folder == folder_ || folder == folder_ + "/apps") && event.name.ends_with(".toml");
  });
}

void ConfigWatch::on_inotify(const InotifyEvent& event) {
  if ((event.mask & IN_IGNORED) != 0) folders_.erase(event.watch);
  if (concerns(event)) settle();
}

void ConfigWatch::on_overflow() { settle(); }

void ConfigWatch::poll() {
  if (note_.empty()) {
    stamps_.reset();
    return poll_.stop();
  }
  poll_.start(stamps_ ? kPollPeriod : Milliseconds(0), [this] {
    std::weak_ptr<int> alive = alive_;
    uv::compute_in_background<Stamps>(
        loop_, {uv::Work::other, "config"}, [folder = folder_] { return stamps_below(folder); },
        [this, alive](Stamps stamps) {
          if (alive.expired()) return;
          const bool differ = stamps_ && *stamps_ != stamps;
          stamps_ = std::move(stamps);
          differ ? settle() : poll();
        });
  });
}

void ConfigWatch::settle() {
  settle_.start(kSettle, [this] {
    watch_all();  // links may lead elsewhere now
    on_change_();
  });
}

}  // namespace moult
