#pragma once

#include "ipc/base/clock.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace moult {

// Writes lines to a descriptor from a thread of its own: a terminal that was stopped (Ctrl-S), a full
// pipe or a hung disk holds that thread and nobody else. What it has not taken is bounded; what comes
// beyond is dropped, counted, and told in a line once it goes on. O_NONBLOCK would not do: the open
// file, and so the flag, is shared with the shell and with whoever else writes to that terminal.
//
// A regular file is rotated to FILE.1 at a size, and opened anew by reopen(): then the descriptor
// number is given the new file (dup2). One per process, owned by Log; loop thread only.
class LogWriter {
 public:
  struct Limits {
    std::size_t waiting = 1u << 20;  // bytes that wait
    std::uint64_t file = 0;          // size of a regular file; 0: it is not rotated
    Milliseconds at_the_end{1'000};  // for what still waits when this is destroyed
  };
  // The line that tells of lines that were dropped; called on the thread.
  using Confession = std::function<std::string(std::uint64_t dropped)>;

  LogWriter(int fd, Limits limits, Confession confession);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // `line` with its end. Does not block.
  void add(std::string_view line);
  void reopen();
  std::uint64_t dropped() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // with the thread, which may hang in write(2) for ever
  Milliseconds at_the_end_;
};

}  // namespace moult
