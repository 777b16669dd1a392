#pragma once

#include "ipc/base/fd.h"
#include "ipc/lane.h"

#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace moult {

// A worker's own lane, for the frames of calls whose answer is not one frame. Small pieces of an answer are
// gathered in one frame, so that an app that yields many of them costs few packets: they leave when there are
// many, when the answer ends, or with the next tick(), a millisecond later at most. Knows no Python. Used by
// the thread that serves the call; tick() and close() may be called by others.
class WorkerLane {
 public:
  // `on_gathering`: something waits for a tick from now on.
  WorkerLane(Fd lane, std::function<void()> on_gathering)
      : lane_(std::move(lane)), on_gathering_(std::move(on_gathering)) {}

  // More than this is not gathered.
  static constexpr std::size_t kGatherMax = 32 * 1024;

  void begin();  // of a call: what is left of another is dropped
  // A head or a chunk joins what is gathered, or begins it. False: there is no room.
  bool gather(std::string_view prefix, std::string_view data);
  // What is gathered, when it is the whole answer: nothing of it has left, and it does not leave here. Good
  // until the next call; else empty.
  std::string_view take_whole();
  // What is gathered leaves. would_block: it stays.
  lane::Sent flush(lane::Wait wait);
  // A frame that is not gathered; nothing may be.
  lane::Sent send(std::string_view prefix, std::string_view data, lane::Wait wait, int attached_fd);
  // What has come, for this thread only.
  lane::Received receive(std::span<char> buffer, lane::Wait wait) {
    return lane::receive(lane_.get(), buffer, wait);
  }

  // Sends what is gathered, without waiting. Whether there was anything.
  bool tick();
  void close();
  int descriptor() const { return lane_.get(); }

 private:
  lane::Sent flush_locked(lane::Wait wait);

  Fd lane_;
  std::function<void()> on_gathering_;
  std::mutex mutex_;  // held while a frame is sent: whoever must not wait tries it
  std::string gathered_;
  std::string whole_;
  bool has_sent_ = false;  // a frame of this call
};

}  // namespace moult
