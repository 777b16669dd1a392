#include "interp/gateway/served_call.h"

#include "interp/threads/forked.h"

namespace moult {

namespace {

// So often it is looked for an abort while an app yields.
constexpr Steady::duration kLook = std::chrono::milliseconds(1);

bool is_answer(lane::FrameType type) {
  return type == lane::FrameType::head || type == lane::FrameType::chunk;
}

}  // namespace

void flush(const py::Attached& py, BatchLane& batch) {
  thread_local lane::Batch spare;
  if (batch.flush(spare, lane::Wait::no) != lane::Sent::would_block) return;
  const py::DetachScope detached(py);
  batch.finish(spare);
}

void ServedCall::begin(const lane::RequestHead& head) {
  number_ = head.call;
  flags_ = head.flags;
  is_head_ = head.method == "HEAD";
  gone_ = false;
  is_whole_ = true;
  looked_ = {};
  lane_.begin();
  scope_.answered = scope_.moved = false;
}

bool ServedCall::fail(const py::Attached& py, std::string_view traceback) {
  char prefix[16];
  const std::size_t size = lane::encode_chunk_prefix(prefix, lane::FrameType::failed, number_,
                                                     is_moved() ? lane::kMoved : std::uint8_t{0});
  return send(py, {prefix, size}, is_moved() ? std::string_view() : traceback.substr(0, lane::kChunkMax));
}

bool ServedCall::send(const py::Attached& py, std::string_view prefix, std::string_view data,
                      int attached_fd) {
  const lane::FrameType type = *lane::frame_type(prefix);
  const bool ends = (static_cast<std::uint8_t>(prefix[1]) & lane::kEnd) != 0;
  const bool is_one = type == lane::FrameType::failed || (type == lane::FrameType::head && ends);
  if (is_whole_ && is_one && prefix.size() + data.size() <= BatchLane::kAnswerMax)
    return send_whole(py, prefix, data);
  is_whole_ = false;
  if (is_answer(type) && prefix.size() + data.size() <= WorkerLane::kGatherMax)
    return gather(py, prefix, data, ends);
  if (!send_gathered(py)) return false;
  lane::Sent sent = lane_.send(prefix, data, lane::Wait::no, attached_fd);
  if (sent == lane::Sent::would_block) {
    const py::DetachScope detached(py);
    sent = lane_.send(prefix, data, lane::Wait::yes, attached_fd);
  }
  return note(sent);
}

bool ServedCall::gather(const py::Attached& py, std::string_view prefix, std::string_view data, bool ends) {
  if (!lane_.gather(prefix, data)) {
    if (!send_gathered(py)) return false;
    lane_.gather(prefix, data);
  }
  if (!ends) return true;
  const std::string_view whole = lane_.take_whole();
  return whole.empty() ? send_gathered(py) : send_whole(py, whole, {});
}

bool ServedCall::send_gathered(const py::Attached& py) {
  lane::Sent sent = lane_.flush(lane::Wait::no);
  if (sent == lane::Sent::would_block) {
    const py::DetachScope detached(py);
    sent = lane_.flush(lane::Wait::yes);
  }
  return note(sent);
}

bool ServedCall::note(lane::Sent sent) {
  if (sent != lane::Sent::yes) gone_ = true;
  return sent == lane::Sent::yes;
}

bool ServedCall::send_whole(const py::Attached& py, std::string_view prefix, std::string_view data) {
  if (forked::is_child()) return false;  // the daemon hears of this call from the parent
  while (!batch_.add(prefix, data)) flush(py, batch_);
  return true;
}

void ServedCall::look_for_abort() {
  const SteadyTime now = Steady::now();
  const SteadyTime before = std::exchange(looked_, now);
  if (before == SteadyTime{}) return;  // it has just begun
  if (now - before < kLook) {
    looked_ = before;
    return;
  }
  // Late body frames may be larger; a packet's rest is dropped by the kernel, which suits us.
  char buffer[64];
  for (;;) {
    const lane::Received received = lane_.receive(buffer, lane::Wait::no);
    if (received.would_block) return;
    if (received.packet.empty()) {
      gone_ = true;
      return;
    }
    const auto frame = lane::decode_chunk(received.packet);
    if (frame && frame->call == number_ && lane::frame_type(received.packet) == lane::FrameType::abort)
      gone_ = true;
  }
}

std::string_view ServedCall::wait_for_packet(const py::Attached& py, std::span<char> buffer) {
  for (;;) {
    lane::Received received = lane_.receive(buffer, lane::Wait::no);
    if (received.would_block) {
      const py::DetachScope detached(py);
      received = lane_.receive(buffer, lane::Wait::yes);
    }
    if (received.packet.empty()) {
      gone_ = true;
      return {};
    }
    const auto frame = lane::decode_chunk(received.packet);
    if (!frame || frame->call != number_) continue;
    if (lane::frame_type(received.packet) == lane::FrameType::abort) {
      gone_ = true;
      return {};
    }
    return received.packet;
  }
}

}  // namespace moult
