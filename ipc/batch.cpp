#include "ipc/batch.h"

#include <algorithm>
#include <cstring>

namespace moult::lane {

std::span<char> Batch::room() {
  if (!memory_) memory_ = std::make_unique_for_overwrite<char[]>(kPacketMax);
  const std::size_t begin = std::min(size_ + sizeof(std::uint32_t), kPacketMax);
  return {memory_.get() + begin, kPacketMax - begin};
}

void Batch::added(std::size_t frame) {
  const auto size = static_cast<std::uint32_t>(frame);
  std::memcpy(memory_.get() + size_, &size, sizeof size);
  size_ += sizeof size + frame;
}

void Batch::add(std::string_view prefix, std::string_view data) {
  char* const at = room().data();
  std::memcpy(at, prefix.data(), prefix.size());
  if (!data.empty()) std::memcpy(at + prefix.size(), data.data(), data.size());
  added(prefix.size() + data.size());
}

std::string_view Batch::packet(std::uint32_t credit) {
  std::memcpy(memory_.get(), &credit, sizeof credit);
  return {memory_.get(), size_};
}

BatchWalk::BatchWalk(std::string_view packet) : rest_(packet), broken_(packet.size() < sizeof credit_) {
  if (broken_) {
    rest_ = {};
    return;
  }
  std::memcpy(&credit_, packet.data(), sizeof credit_);
  rest_.remove_prefix(sizeof credit_);
}

std::optional<std::string_view> BatchWalk::next() {
  if (rest_.empty()) return std::nullopt;
  std::uint32_t size = 0;
  if (rest_.size() >= sizeof size) std::memcpy(&size, rest_.data(), sizeof size);
  if (size == 0 || size > rest_.size() - sizeof size) {
    broken_ = true;
    rest_ = {};
    return std::nullopt;
  }
  const std::string_view frame = rest_.substr(sizeof size, size);
  rest_.remove_prefix(sizeof size + size);
  return frame;
}

}  // namespace moult::lane
