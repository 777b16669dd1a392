#pragma once

#include "daemon/watch/inotify.h"
#include "ipc/uv/loop.h"

#include <functional>
#include <string>
#include <vector>

namespace moult {

// Tells when a file of the config folder has changed: moult.toml, apps/*.toml. Without inotify it
// tells nothing, and `moultctl config reload` is the way. One per daemon; loop thread.
class ConfigWatch final : public InotifyListener {
 public:
  ConfigWatch(uv::Loop& loop, Inotify& inotify, const std::string& folder, std::function<void()> on_change);
  ~ConfigWatch() override;

 private:
  void on_inotify(const InotifyEvent& event) override;
  void on_overflow() override;
  void watch_folders();

  Inotify& inotify_;
  std::string folder_;
  std::function<void()> on_change_;
  std::vector<int> watches_;
  uv::Timer settle_;
};

}  // namespace moult
