#pragma once

#include "daemon/hosts/output_lines.h"
#include "ipc/base/fd.h"
#include "ipc/uv/loop.h"

#include <functional>
#include <memory>
#include <string>

namespace moult {

// Whose lines they are. A value; without an app: nobody can tell.
struct OutputSource {
  std::string app;
  std::uint64_t generation = 0;
};

// The reading end of a pipe that processes write to as their standard output: a host, or the children of one
// of its interpreters. A round of the loop takes 16 KiB of it; 10 MiB a second are read, beyond that the
// writer waits; 1,000 lines a second are passed on, and how many were dropped is said every five seconds.
// Owned by its Host; loop thread only.
class HostOutput {
 public:
  // `on_end`: nobody writes any more; it may destroy this.
  HostOutput(uv::Loop& loop, Fd read_end, OutputLines::Sink sink, std::function<void()> on_end);

  // Takes what is in the pipe now: before its owner goes.
  void drain();

 private:
  // False: nothing more comes now, or ever.
  bool read();
  void on_readable();
  void watch_dropped();
  void tell_dropped();

  uv::Loop& loop_;
  Fd fd_;
  OutputLines lines_;
  OutputLines::Sink sink_;
  std::function<void()> on_end_;
  std::unique_ptr<uv::Poll> poll_;
  uv::Timer pause_;
  uv::Timer told_;
  SteadyTime window_{};
  std::size_t in_window_ = 0;
  bool ended_ = false;
};

}  // namespace moult
