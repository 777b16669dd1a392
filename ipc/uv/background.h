#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

struct uv_loop_s;

namespace moult::uv {

// What a job waits for. Each kind has threads of its own, so that none waits behind another: a file
// system that hangs holds the jobs that read it, and no save of state.
enum class Work {
  state,    // the daemon's own files: records, logs
  sources,  // trees of apps: scans, snapshots
  files,    // what apps serve: static files, read ahead
  other,
};

// A kind, and whose job it is: an app, a folder. One of these gets a part of its kind's threads.
struct Errand {
  Work work = Work::other;
  std::string whose{};
};

// The threads that do a loop's background jobs: started when there is something to do, ended when there
// was nothing for a while. Where the system gives none, a job is done on the loop. One per Loop and
// owned by it; loop thread only.
class Background {
 public:
  explicit Background(uv_loop_s* loop);
  ~Background();  // no job may be under way
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Whether one more of these may wait. To be asked before a job that comes from outside as often as somebody
  // likes, and that nobody can take back; the parts of the daemon have one job of a kind under way each.
  bool has_room(const Errand& errand) const;
  void add(Errand errand, std::function<void()> work, std::function<void()> on_done);

 private:
  struct Job;
  struct Shared;
  struct Block;
  void take_done();

  std::shared_ptr<Shared> shared_;  // with the threads
  Block* block_;
  std::size_t under_way_ = 0;
  std::map<std::pair<Work, std::string>, std::size_t> under_way_of_;
};

}  // namespace moult::uv
