#pragma once

#include "daemon/watch/tree_watcher.h"
#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace moult {

// A watcher of TEMP/app with a real loop. Nothing sleeps: the loop runs until what a case waits for
// has come, or until a deadline that no passing case reaches.
struct Bench {
  TempTree temp;
  uv::Loop loop;
  Inotify inotify{loop};
  WhyLog why;
  WatchSpec spec;
  std::vector<Change> changes;
  bool ready = false;
  std::unique_ptr<TreeWatcher> watcher;

  Bench() {
    spec.tree = temp.folder("app");
    spec.entry_file = temp.write("app/app.py", "x = 1\n");
    temp.write("app/blog/__init__.py", "");
    temp.write("app/blog/views.py", "y = 1\n");
  }

  void start() {
    begin();
    REQUIRE(run_until([this] { return ready; }));
  }

  void begin() {
    watcher = std::make_unique<TreeWatcher>(loop, inotify, spec, why, [this](const Change& change) {
      changes.push_back(change);
      loop.stop();
    });
    watcher->start([this] {
      ready = true;
      loop.stop();
    });
  }

  template <typename Predicate>
  bool run_until(Predicate predicate) {
    bool late = false;
    uv::Timer deadline(loop);
    deadline.start(Milliseconds(10'000), [&] {
      late = true;
      loop.stop();
    });
    uv::Timer ask_again(loop);  // what a scan did without a callback
    ask_again.start_repeating(Milliseconds(5), [this] { loop.stop(); });
    while (!predicate() && !late) loop.run();
    return predicate();
  }

  bool has(const std::string& path, ChangeKind kind) const {
    return std::any_of(changes.begin(), changes.end(),
                       [&](const Change& change) { return change.path == path && change.kind == kind; });
  }
  bool sees(const std::string& relative, ChangeKind kind = ChangeKind::source) {
    const std::string path = temp.path(relative);
    return run_until([&] { return has(path, kind); });
  }
  // Waits until everything done before was told: a change of this file comes after it.
  void flush() {
    temp.write("app/blog/views.py", "flush\n");
    REQUIRE(sees("app/blog/views.py"));
    std::erase_if(changes,
                  [this](const Change& change) { return change.path == temp.path("app/blog/views.py"); });
  }
  bool ignored(const std::string& relative, const std::string& rule) const {
    const auto entries = why.entries();
    return std::any_of(entries.begin(), entries.end(), [&](const WhyEntry& entry) {
      return entry.what == "ignored" && entry.path == temp.path(relative) && entry.rule == rule;
    });
  }
  // As the kernel writes it.
  void inject(std::uint32_t mask) {
    inotify_event event{};
    event.wd = -1;
    event.mask = mask;
    char buffer[sizeof event];
    std::memcpy(buffer, &event, sizeof event);
    inotify.dispatch(buffer);
  }
  void set_times(const std::string& relative, time_t seconds) const {
    const timespec times[2]{{seconds, 0}, {seconds, 0}};
    REQUIRE(::utimensat(AT_FDCWD, temp.path(relative).c_str(), times, 0) == 0);
  }
};

}  // namespace moult
