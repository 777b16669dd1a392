#pragma once

#include "ipc/lane.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

// The batch lane of an interpreter: a SOCK_SEQPACKET pair whose packets hold many frames, requests one way
// and whole answers the other. One wake-up, one send and one receive then do for many calls. A packet is a
// u32, the credit (how many calls the host wants to have at a time; 0 from the daemon), then frames as in
// ipc/lane.h, each behind its size as u32.

namespace moult::lane {

// A batch leaves when it would become larger; a frame that is larger travels alone.
inline constexpr std::size_t kBatchMax = 60 * 1024;
// Of a packet and of a frame in it, beside the frame itself.
inline constexpr std::size_t kBatchPrefix = 2 * sizeof(std::uint32_t);
// More calls than this are not had at a time, whatever the credit.
inline constexpr std::uint32_t kCreditMax = 64;

// Frames that have not left. Takes memory with the first one.
class Batch {
 public:
  bool is_empty() const { return size_ == sizeof(std::uint32_t); }
  std::size_t size() const { return size_; }
  bool has_room(std::size_t frame) const {
    return size_ + sizeof(std::uint32_t) + frame <= (is_empty() ? kPacketMax : kBatchMax);
  }
  // The memory for a frame that has room: it is written there, and then added.
  std::span<char> room();
  void added(std::size_t frame);
  void add(std::string_view prefix, std::string_view data);
  // As it is to be sent.
  std::string_view packet(std::uint32_t credit);
  void clear() { size_ = sizeof(std::uint32_t); }
  void swap(Batch& other) {
    std::swap(memory_, other.memory_);
    std::swap(size_, other.size_);
  }

 private:
  std::unique_ptr<char[]> memory_;
  std::size_t size_ = sizeof(std::uint32_t);
};

// Walks a packet, which may be damaged: then it ends early. The frames are slices of the packet.
class BatchWalk {
 public:
  BatchWalk() = default;
  explicit BatchWalk(std::string_view packet);

  std::uint32_t credit() const { return credit_; }
  std::optional<std::string_view> next();
  bool has_more() const { return !rest_.empty(); }
  bool is_broken() const { return broken_; }

 private:
  std::string_view rest_;
  std::uint32_t credit_ = 0;
  bool broken_ = false;
};

}  // namespace moult::lane
