#include "interp/gateway/served_call.h"

namespace moult {

void ServedCall::begin(const lane::RequestHead& head) {
  number_ = head.call;
  flags_ = head.flags;
  is_head_ = head.method == "HEAD";
  gone_ = false;
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
  lane::Sent sent = lane::send(lane_, prefix, data, lane::Wait::no, attached_fd);
  if (sent == lane::Sent::would_block) {
    const py::DetachScope detached(py);
    sent = lane::send(lane_, prefix, data, lane::Wait::yes, attached_fd);
  }
  if (sent != lane::Sent::yes) gone_ = true;
  return sent == lane::Sent::yes;
}

void ServedCall::look_for_abort() {
  // Late body frames may be larger; a packet's rest is dropped by the kernel, which suits us.
  char buffer[64];
  for (;;) {
    const lane::Received received = lane::receive(lane_, buffer, lane::Wait::no);
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
    lane::Received received = lane::receive(lane_, buffer, lane::Wait::no);
    if (received.would_block) {
      const py::DetachScope detached(py);
      received = lane::receive(lane_, buffer, lane::Wait::yes);
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
