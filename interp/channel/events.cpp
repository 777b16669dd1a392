#include "interp/channel/events.h"

#include "ipc/host_protocol.h"

#include <sys/socket.h>
#include <cerrno>
#include <cstring>

namespace moult {

void Events::tell(const HostEvent& event) {
  for (std::string& packet : encode_event(event)) send(std::move(packet));
}

void Events::hand_over(const HostEvent& event, const Fd& descriptor) {
  for (std::string& packet : encode_event(event)) send(std::move(packet), descriptor.get());
}

void Events::send(std::string packet, int descriptor) {
  iovec slice{packet.data(), packet.size()};
  msghdr message{};
  message.msg_iov = &slice;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {};
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  const std::scoped_lock lock(mutex_);
  while (::sendmsg(channel_, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

}  // namespace moult
