#include "interp/channel/batch_lane.h"

#include <sys/socket.h>
#include <algorithm>
#include <chrono>

namespace moult {

namespace {

using namespace std::chrono_literals;

// The host wants as many calls as it serves in this time: so long a call waits in it at most, and the lane
// never runs dry meanwhile.
constexpr Steady::duration kCreditTime = 1ms;
// What an interpreter takes for the time of a call before it has served any: as many calls as it has workers.
constexpr Steady::duration kFirstGuess = 1ms;
// So long a call that slept makes the next ones hot.
constexpr Steady::duration kHot = 250ms;
// A packet that holds one frame of this size or more changes its owner instead of being copied.
constexpr std::size_t kSwapped = 8 * 1024;

std::uint64_t call_of(std::string_view frame) {
  const auto chunk = lane::decode_chunk(frame);
  return chunk ? chunk->call : 0;
}

}  // namespace

BatchLane::BatchLane(Fd lane, LaneBoard board, Steady::duration idle, std::function<void()> on_need)
    : lane_(std::move(lane)),
      board_(std::move(board)),
      idle_time_(idle),
      on_need_(std::move(on_need)),
      turn_(board_.workers()),
      average_(kFirstGuess.count()) {}

void BatchLane::arrive() {
  const std::scoped_lock lock(mutex_);
  ++present_;
  is_awaited_ = false;
}

void BatchLane::cannot_come(SteadyTime again) {
  const std::scoped_lock lock(mutex_);
  is_awaited_ = false;
  not_before_ = again;
}

bool BatchLane::wait(std::size_t me) {
  Buffer arrived;
  std::unique_lock lock(mutex_);
  for (;;) {
    if (closed_) return false;
    if (!listener_) listener_ = me;
    if (listener_ != me) {
      idle_.push_back(me);
      const bool is_needed = turn_[me].wait_for(lock, idle_time_, [&] { return listener_ == me || closed_; });
      std::erase(idle_, me);
      if (is_needed) continue;
      --present_;
      return false;
    }
    serving_ = false;  // so nobody else becomes the listener while it waits
    if (frames_.has_more()) return true;
    if (!arrived) arrived = std::move(queue_);
    if (!arrived) arrived = std::make_unique_for_overwrite<char[]>(lane::kPacketMax);
    lock.unlock();
    const lane::Received received =
        lane::receive(lane_.get(), {arrived.get(), lane::kPacketMax}, lane::Wait::yes);
    lock.lock();
    queue_ = std::move(arrived);
    take_in(received);
  }
}

void BatchLane::take_in(const lane::Received& received) {
  if (received.would_block) return;
  if (!received.packet.empty()) {
    frames_ = lane::BatchWalk(received.packet);
    return;
  }
  closed_ = true;
  for (auto& turn : turn_) turn.notify_one();
}

std::optional<std::string_view> BatchLane::claim(std::size_t me, Buffer& buffer, SteadyTime now) {
  const std::scoped_lock lock(mutex_);
  auto frame = frames_.next();
  if (!frame) {
    if (listener_ == me) serving_ = false;
    return std::nullopt;
  }
  if (frame->size() >= kSwapped && !frames_.has_more()) {
    std::swap(buffer, queue_);
    if (!queue_) queue_ = std::make_unique_for_overwrite<char[]>(lane::kPacketMax);
  } else {
    if (!buffer) buffer = std::make_unique_for_overwrite<char[]>(lane::kPacketMax);
    frame = {buffer.get(), frame->copy(buffer.get(), lane::kPacketMax)};
  }
  board_.set_serving(me, call_of(*frame));
  board_.set_claimed(++claimed_);
  claims_.fetch_add(1, std::memory_order_relaxed);
  if (listener_ == me) {
    serving_ = true;
    if (is_hot(now)) pass_turn_on();
  }
  return frame;
}

void BatchLane::pass_turn_on() {
  listener_.reset();
  serving_ = false;
  if (!idle_.empty()) {
    listener_ = idle_.back();
    turn_[*listener_].notify_one();
  } else if (!is_awaited_ && present_ < turn_.size() && Steady::now() >= not_before_) {
    is_awaited_ = true;
    on_need_();
  }
}

void BatchLane::call_ended(Steady::duration took, bool slept, SteadyTime now) {
  const Steady::rep before = average_.load(std::memory_order_relaxed);
  average_.store(before + (took.count() - before) / 8, std::memory_order_relaxed);
  if (slept) hot_until_.store(now + kHot, std::memory_order_relaxed);
}

std::uint32_t BatchLane::credit() const {
  const Steady::rep calls = kCreditTime.count() / (average_.load(std::memory_order_relaxed) + 1);
  const auto least = static_cast<Steady::rep>(std::min<std::size_t>(board_.workers(), lane::kCreditMax));
  return static_cast<std::uint32_t>(std::clamp<Steady::rep>(calls, least, lane::kCreditMax));
}

bool BatchLane::add(std::string_view prefix, std::string_view data) {
  const std::scoped_lock lock(out_mutex_);
  if (!out_.has_room(prefix.size() + data.size())) return false;
  out_.add(prefix, data);
  return true;
}

lane::Sent BatchLane::flush(lane::Batch& spare, lane::Wait wait) {
  {
    const std::scoped_lock lock(out_mutex_);
    if (out_.is_empty()) return lane::Sent::yes;
    out_.swap(spare);
  }
  const lane::Sent sent = lane::send(lane_.get(), spare.packet(credit()), {}, wait);
  if (sent != lane::Sent::would_block) spare.clear();
  return sent;
}

lane::Sent BatchLane::finish(lane::Batch& spare) {
  const lane::Sent sent = lane::send(lane_.get(), spare.packet(credit()), {}, lane::Wait::yes);
  spare.clear();
  return sent;
}

bool BatchLane::tick() {
  const std::uint64_t claims = claims_.load(std::memory_order_relaxed);
  if (std::exchange(seen_, claims) != claims) return true;
  {
    const std::scoped_lock lock(watchers_mutex_);
    flush(watchers_, lane::Wait::yes);
  }
  const std::scoped_lock lock(mutex_);
  if (serving_ && claims == claims_.load(std::memory_order_relaxed)) pass_turn_on();
  return false;
}

// In the order of the queue from its end, so that each may be put before the others of the daemon's queue.
void BatchLane::give_back() {
  std::vector<std::uint64_t> calls;
  std::uint64_t gone = 0;
  {
    const auto packet = std::make_unique_for_overwrite<char[]>(lane::kPacketMax);
    const std::scoped_lock lock(mutex_);
    while (const auto frame = frames_.next()) calls.push_back(call_of(*frame));
    for (;;) {
      const lane::Received received =
          lane::receive(lane_.get(), {packet.get(), lane::kPacketMax}, lane::Wait::no);
      if (received.packet.empty()) break;  // the listener sees it when it is closed
      for (lane::BatchWalk frames(received.packet); const auto frame = frames.next();)
        calls.push_back(call_of(*frame));
    }
    gone = claimed_ += calls.size();
  }
  if (calls.empty()) return;
  const std::scoped_lock lock(watchers_mutex_);
  for (auto call = calls.rbegin(); call != calls.rend(); ++call) {
    char prefix[16];
    const std::size_t size = lane::encode_chunk_prefix(prefix, lane::FrameType::returned, *call, 0);
    while (!add({prefix, size}, {})) flush(watchers_, lane::Wait::yes);
  }
  flush(watchers_, lane::Wait::yes);
  const std::scoped_lock claims(mutex_);
  board_.set_claimed(std::max(gone, claimed_));
}

std::uint64_t BatchLane::first() {
  const std::scoped_lock lock(mutex_);
  lane::BatchWalk ahead = frames_;
  const auto frame = ahead.next();
  return frame ? call_of(*frame) : 0;
}

void BatchLane::close() { ::shutdown(lane_.get(), SHUT_RD); }

}  // namespace moult
