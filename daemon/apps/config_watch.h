#pragma once

#include "daemon/tree/file_stamp.h"
#include "daemon/watch/inotify.h"
#include "daemon/watch/path_chain.h"
#include "ipc/uv/loop.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace moult {

// Tells when a file of the config folder has changed: moult.toml, apps/*.toml, whatever symlinks lead
// there and wherever they lead. Where inotify has nothing left to give, the files are looked at every two
// seconds, and note() says why. One per daemon; loop thread.
class ConfigWatch final : public InotifyListener, private WatchSink {
 public:
  using Stamps = std::map<std::string, FileStamp>;  // by path

  ConfigWatch(uv::Loop& loop, Inotify& inotify, std::string folder, std::function<void()> on_change);
  ~ConfigWatch() override;

  const std::string& note() const { return note_; }  // empty: inotify tells

 private:
  void on_inotify(const InotifyEvent& event) override;
  void on_overflow() override;
  void watch(const std::string& folder, WatchRole role, std::uint32_t mask) override;
  void point(const std::string& path, Point point) override;
  void watch_all();
  void follow(const std::string& path);
  bool concerns(const InotifyEvent& event) const;
  void settle();
  void poll();

  Inotify& inotify_;
  std::string folder_;
  std::function<void()> on_change_;
  std::shared_ptr<const InotifyAdder> adder_;     // while the watches are being made
  std::map<int, std::set<std::string>> folders_;  // by watch; one folder may have several names
  std::set<std::string> points_;                  // names in them that matter, besides configs
  uv::Timer settle_;
  uv::Loop& loop_;
  std::string note_;
  uv::Timer poll_;
  std::optional<Stamps> stamps_;  // of all files when they were looked at last
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace moult
