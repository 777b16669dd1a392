#include "interp/channel/worker_lane.h"

namespace moult {

namespace {

constexpr std::size_t kFlags = 1;  // where the flags of a frame lie (ipc/PROTOCOL.md)

}  // namespace

void WorkerLane::begin() {
  const std::scoped_lock lock(mutex_);
  gathered_.clear();
  has_sent_ = false;
}

// The bytes of a chunk continue those of the frame before.
bool WorkerLane::gather(std::string_view prefix, std::string_view data) {
  {
    const std::scoped_lock lock(mutex_);
    if (!gathered_.empty()) {
      if (gathered_.size() + data.size() > kGatherMax) return false;
      gathered_.append(data);
      gathered_[kFlags] = static_cast<char>(gathered_[kFlags] | (prefix[kFlags] & lane::kEnd));
      return true;
    }
    if (prefix.size() + data.size() > kGatherMax) return false;
    gathered_.append(prefix).append(data);
  }
  on_gathering_();
  return true;
}

std::string_view WorkerLane::take_whole() {
  const std::scoped_lock lock(mutex_);
  if (has_sent_ || gathered_.empty()) return {};
  std::swap(gathered_, whole_);
  gathered_.clear();
  return whole_;
}

lane::Sent WorkerLane::flush_locked(lane::Wait wait) {
  if (gathered_.empty()) return lane::Sent::yes;
  const lane::Sent sent = lane::send(lane_.get(), gathered_, {}, wait);
  if (sent == lane::Sent::would_block) return sent;
  gathered_.clear();
  has_sent_ = true;
  return sent;
}

lane::Sent WorkerLane::flush(lane::Wait wait) {
  const std::scoped_lock lock(mutex_);
  return flush_locked(wait);
}

lane::Sent WorkerLane::send(std::string_view prefix, std::string_view data, lane::Wait wait,
                            int attached_fd) {
  const std::scoped_lock lock(mutex_);
  has_sent_ = true;
  return lane::send(lane_.get(), prefix, data, wait, attached_fd);
}

bool WorkerLane::tick() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || gathered_.empty()) return false;
  flush_locked(lane::Wait::no);
  return true;
}

void WorkerLane::close() {
  const std::scoped_lock lock(mutex_);
  gathered_.clear();
  lane_.reset();
}

}  // namespace moult
