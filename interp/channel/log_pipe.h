#pragma once

#include "interp/threads/forked.h"
#include "ipc/base/fd.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace moult {

// The way of an app's log lines to the daemon. One per interpreter, owned by its home, used by all
// of its threads. Text is collected to lines per stream and thread, so that the lines of two
// threads do not mix; each line is one record (ipc/PROTOCOL.md). Nothing here knows Python.
//
// write() never waits. What does not fit into the pipe is handed back to the caller, who may wait
// for room (with the GIL released) and try again, or drop and count.
class LogPipe {
 public:
  explicit LogPipe(Fd pipe);
  void hold_over_forks() { forked::hold(mutex_); }

  // The same pipe, for an interpreter that writes to the same log.
  Result<Fd> duplicate() const { return moult::duplicate(pipe_); }

  // Adds `text` to the calling thread's line of `stream` and moves the lines that it completes
  // into `ready`, as records.
  void collect(char stream, std::string_view text, std::string& ready);
  // Everything that is not a whole line yet, of all threads.
  void collect_rest(std::string& ready);

  // Writes as many whole records as fit and removes them from `ready`. True: all.
  bool write(std::string& ready);
  // Waits for room, at most a second, and not again until there has been some. True: try again.
  bool wait_for_room();
  void drop(const std::string& ready);
  std::uint64_t take_dropped() { return dropped_.exchange(0); }

 private:
  Fd pipe_;
  std::mutex mutex_;
  std::map<std::pair<std::thread::id, char>, std::string> partial_;
  std::atomic<bool> stalled_ = false;
  std::atomic<std::uint64_t> dropped_ = 0;
};

}  // namespace moult
