#include "interp/served_call.h"

namespace moult {

void ServedCall::begin(const lane::RequestHead& head) {
  number_ = head.call;
  flags_ = head.flags;
  is_head_ = head.method == "HEAD";
  gone_ = false;
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
