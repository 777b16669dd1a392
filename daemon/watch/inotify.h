#pragma once

#include "daemon/tree/mounts.h"
#include "ipc/base/fd.h"
#include "ipc/base/result.h"
#include "ipc/uv/loop.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace moult {

// One event of one watch, as inotify(7) tells it.
struct InotifyEvent {
  int watch = 0;
  std::uint32_t mask = 0;
  std::string_view name;  // valid during the call
};

// Who hears of events; one per app (TreeWatcher). Loop thread.
class InotifyListener {
 public:
  virtual ~InotifyListener() = default;
  virtual void on_inotify(const InotifyEvent& event) = 0;
  virtual void on_overflow() = 0;  // events were lost: look at everything again
  // Something was mounted or unmounted on these folders.
  virtual void on_mounts(const std::vector<std::string>&) {}
};

// The right to add watches from a background thread: shared by jobs, so that the descriptor stays
// open (and its number is not used for something else) while one of them runs.
class InotifyAdder {
 public:
  explicit InotifyAdder(Fd fd) : fd_(std::move(fd)) {}
  // The watch's number, the same one for the same inode; or an errno, negated. Blocks as a path
  // look-up does. Any thread.
  int add(const std::string& path, std::uint32_t mask) const;
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
};

// The daemon's one inotify descriptor (users have 128 of them by default). Watches are added by
// background jobs, between job_begins() and job_ends(), and then registered here; the kernel has one
// watch per inode, so several listeners may share one. A watch goes when its last listener does, but
// not while a job is under way that may just have been given it. Events of watches that nobody
// has registered yet are kept until the jobs are done (bounded; beyond: overflow).
//
// Built by main, outlives all listeners. Loop thread, but for the adder.
class Inotify {
 public:
  explicit Inotify(uv::Loop& loop);
  ~Inotify();
  Inotify(const Inotify&) = delete;
  Inotify& operator=(const Inotify&) = delete;

  // Null when there is none: then everything is polled, and `problem` says why.
  std::shared_ptr<const InotifyAdder> adder() const { return adder_; }
  const std::string& problem() const { return problem_; }

  void job_begins(InotifyListener& listener);
  void job_ends(InotifyListener& listener);           // also of one that has left
  void leave(InotifyListener& listener);              // before its end: hears nothing any more
  void listen(int watch, InotifyListener& listener);  // counted: as often as forget()
  void forget(int watch, InotifyListener& listener);
  void discard(int watch);  // added by a job, wanted by nobody
  std::size_t watches() const { return listeners_.size(); }

  // For the end of a job, which may come after ours: points to this, or to nullptr.
  std::shared_ptr<Inotify* const> self() const { return self_; }

  // Takes what was read from the descriptor. Public as a seam for tests (overflow).
  void dispatch(std::span<const char> buffer);

 private:
  struct Kept {
    int watch;
    std::uint32_t mask;
    std::string name;
  };
  struct Hearing {
    InotifyListener* listener;
    int count;
  };
  void on_readable();
  void deliver(const InotifyEvent& event);
  void overflow();
  std::vector<InotifyListener*> all_listeners() const;
  void remove_unused();

  std::shared_ptr<const InotifyAdder> adder_;
  std::string problem_;
  std::unordered_map<int, std::vector<Hearing>> listeners_;
  std::vector<int> unused_;  // watches without a listener that could not be removed yet
  std::vector<Kept> kept_;
  std::vector<InotifyListener*> busy_;  // with a job under way: they hear of an overflow too
  int jobs_ = 0;
  std::shared_ptr<Inotify*> self_;
  std::unique_ptr<uv::Poll> poll_;
  std::unique_ptr<Mounts> mounts_;
};

}  // namespace moult
