#include "daemon/config_watch.h"

#include <sys/inotify.h>
#include <algorithm>

namespace moult {

namespace {

// Editors write in several steps; a file half written would be an error for nothing.
constexpr Milliseconds kSettle{300};
constexpr std::uint32_t kMask =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ONLYDIR;

}  // namespace

ConfigWatch::ConfigWatch(uv::Loop& loop, Inotify& inotify, const std::string& folder,
                         std::function<void()> on_change)
    : inotify_(inotify), folder_(folder), on_change_(std::move(on_change)), settle_(loop) {
  watch_folders();
}

ConfigWatch::~ConfigWatch() {
  for (const int watch : watches_) inotify_.forget(watch, *this);
}

void ConfigWatch::watch_folders() {
  const auto adder = inotify_.adder();
  if (!adder) return;
  inotify_.job_begins(*this);
  for (const std::string& folder : {folder_, folder_ + "/apps"}) {
    const int watch = adder->add(folder, kMask);
    if (watch < 0 || std::find(watches_.begin(), watches_.end(), watch) != watches_.end()) continue;
    watches_.push_back(watch);
    inotify_.listen(watch, *this);
  }
  inotify_.job_ends(*this);
}

void ConfigWatch::on_inotify(const InotifyEvent& event) {
  const bool is_folder = (event.mask & IN_ISDIR) != 0;
  if (!is_folder && !event.name.ends_with(".toml")) return;
  if (is_folder && event.name != "apps") return;
  settle_.start(kSettle, [this] {
    watch_folders();  // apps/ may be new
    on_change_();
  });
}

void ConfigWatch::on_overflow() { settle_.start(kSettle, on_change_); }

}  // namespace moult
