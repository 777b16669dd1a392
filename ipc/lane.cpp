#include "ipc/lane.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

namespace moult::lane {

// Both ends run on one machine, so numbers travel in its own byte order (little endian on every
// machine that Debian builds CPython for with this daemon in mind; a big endian one works as well).

namespace {

class Writer {
 public:
  explicit Writer(std::span<char> out) : out_(out) {}

  template <typename Number>
  void number(Number value) {
    if (char* at = take(sizeof value)) std::memcpy(at, &value, sizeof value);
  }
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    raw(value);
  }
  void raw(std::string_view value) {
    if (value.empty()) return;
    if (char* at = take(value.size())) std::memcpy(at, value.data(), value.size());
  }
  std::size_t size() const { return full_ ? 0 : used_; }

 private:
  char* take(std::size_t count) {
    if (full_ || out_.size() - used_ < count) {
      full_ = true;
      return nullptr;
    }
    char* at = out_.data() + used_;
    used_ += count;
    return at;
  }

  std::span<char> out_;
  std::size_t used_ = 0;
  bool full_ = false;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  template <typename Number>
  Number number() {
    Number value{};
    if (in_.size() < sizeof value) {
      ok_ = false;
      return value;
    }
    std::memcpy(&value, in_.data(), sizeof value);
    in_.remove_prefix(sizeof value);
    return value;
  }
  std::string_view text() { return raw(number<std::uint32_t>()); }
  std::string_view raw(std::size_t count) {
    if (in_.size() < count) {
      ok_ = false;
      return {};
    }
    const std::string_view value = in_.substr(0, count);
    in_.remove_prefix(count);
    return value;
  }
  std::string_view rest() { return std::exchange(in_, {}); }
  bool ok() const { return ok_; }

 private:
  std::string_view in_;
  bool ok_ = true;
};

constexpr std::size_t kPrefixSize = 1 + 1 + sizeof(std::uint64_t);

std::array<std::string_view, 9> fields_of(const RequestHead& head) {
  return {head.method,      head.target,      head.script_name, head.path_info,  head.query,
          head.server_name, head.server_port, head.remote_addr, head.remote_port};
}

struct Prefix {
  FrameType type;
  std::uint8_t flags;
  std::uint64_t call;
};

void write_prefix(Writer& writer, FrameType type, std::uint8_t flags, std::uint64_t call) {
  writer.number(static_cast<std::uint8_t>(type));
  writer.number(flags);
  writer.number(call);
}

Prefix read_prefix(Reader& reader) {
  const auto type = static_cast<FrameType>(reader.number<std::uint8_t>());
  const auto flags = reader.number<std::uint8_t>();
  const auto call = reader.number<std::uint64_t>();
  return {type, flags, call};
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

// The verdict on a send that failed; nothing: try again.
std::optional<Sent> failed_send() {
  if (errno == EINTR) return std::nullopt;
  return would_block() ? Sent::would_block : Sent::closed;
}

// send(2) and recv(2) take the kernel markedly less time than sendmsg(2) and recvmsg(2), so small
// packets are joined in one piece of memory: its copy costs less than that.
constexpr std::size_t kJoinedMax = 2048;

Sent send_joined(int fd, std::string_view prefix, std::string_view data, int flags) {
  std::array<char, kJoinedMax> joined;
  std::string_view packet = prefix;
  if (!data.empty()) {
    std::memcpy(joined.data(), prefix.data(), prefix.size());
    std::memcpy(joined.data() + prefix.size(), data.data(), data.size());
    packet = {joined.data(), prefix.size() + data.size()};
  }
  while (::send(fd, packet.data(), packet.size(), flags) < 0) {
    if (const auto verdict = failed_send()) return *verdict;
  }
  return Sent::yes;
}

}  // namespace

bool HeaderWalk::next(Header& header) {
  if (left_ == 0) return false;
  --left_;
  Reader reader(rest_);
  header.name = reader.text();
  header.value = reader.text();
  rest_ = reader.rest();
  return reader.ok();
}

std::size_t request_size(const RequestHead& head, std::span<const Header> headers) {
  constexpr std::size_t kText = sizeof(std::uint32_t);
  std::size_t size = kPrefixSize + sizeof head.content_length + sizeof(std::uint16_t) + 2 * kText;
  for (const std::string_view field : fields_of(head)) size += kText + field.size();
  for (const Header& header : headers) size += 2 * kText + header.name.size() + header.value.size();
  return size;
}

std::size_t encode_request(std::span<char> out, const RequestHead& head, std::span<const Header> headers,
                           std::size_t body_size) {
  if (headers.size() > std::numeric_limits<std::uint16_t>::max()) return 0;
  Writer writer(out);
  write_prefix(writer, FrameType::request, head.flags, head.call);
  writer.number(head.content_length);
  writer.number(static_cast<std::uint16_t>(headers.size()));
  for (const std::string_view field : fields_of(head)) writer.text(field);
  std::uint32_t size = 0;
  for (const Header& header : headers)
    size += static_cast<std::uint32_t>(header.name.size() + header.value.size() + 8);
  writer.number(size);
  for (const Header& header : headers) {
    writer.text(header.name);
    writer.text(header.value);
  }
  writer.number(static_cast<std::uint32_t>(body_size));
  return writer.size();
}

std::size_t encode_head(std::span<char> out, const Head& head) {
  Writer writer(out);
  write_prefix(writer, FrameType::head, head.flags, head.call);
  writer.number(head.length);
  writer.number(head.status);
  writer.text(head.reason);
  writer.text(head.header_text);
  return writer.size();
}

std::size_t encode_chunk_prefix(std::span<char> out, FrameType type, std::uint64_t call, std::uint8_t flags) {
  Writer writer(out);
  write_prefix(writer, type, flags, call);
  return writer.size();
}

std::size_t encode_file(std::span<char> out, const FileRegion& region) {
  Writer writer(out);
  write_prefix(writer, FrameType::file, region.flags, region.call);
  writer.number(region.offset);
  writer.number(region.length);
  return writer.size();
}

std::optional<FrameType> frame_type(std::string_view packet) {
  if (packet.empty()) return std::nullopt;
  return static_cast<FrameType>(static_cast<std::uint8_t>(packet[0]));
}

std::optional<Request> decode_request(std::string_view packet) {
  Reader reader(packet);
  const Prefix prefix = read_prefix(reader);
  Request request;
  request.head.flags = prefix.flags;
  request.head.call = prefix.call;
  request.head.content_length = reader.number<std::uint64_t>();
  request.header_count = reader.number<std::uint16_t>();
  for (std::string_view* field :
       {&request.head.method, &request.head.target, &request.head.script_name, &request.head.path_info,
        &request.head.query, &request.head.server_name, &request.head.server_port, &request.head.remote_addr,
        &request.head.remote_port}) {
    *field = reader.text();
  }
  request.headers = reader.text();
  request.body = reader.text();
  if (!reader.ok() || prefix.type != FrameType::request) return std::nullopt;
  return request;
}

std::optional<Head> decode_head(std::string_view packet) {
  Reader reader(packet);
  const Prefix prefix = read_prefix(reader);
  Head head;
  head.flags = prefix.flags;
  head.call = prefix.call;
  head.length = reader.number<std::uint64_t>();
  head.status = reader.number<std::uint16_t>();
  head.reason = reader.text();
  head.header_text = reader.text();
  head.body = reader.rest();
  if (!reader.ok() || prefix.type != FrameType::head) return std::nullopt;
  return head;
}

std::optional<Chunk> decode_chunk(std::string_view packet) {
  Reader reader(packet);
  const Prefix prefix = read_prefix(reader);
  Chunk chunk{prefix.call, prefix.flags, reader.rest()};
  if (!reader.ok()) return std::nullopt;
  return chunk;
}

std::optional<FileRegion> decode_file(std::string_view packet) {
  Reader reader(packet);
  const Prefix prefix = read_prefix(reader);
  FileRegion region{prefix.call, prefix.flags, reader.number<std::uint64_t>(), 0};
  region.length = reader.number<std::uint64_t>();
  if (!reader.ok() || prefix.type != FrameType::file) return std::nullopt;
  return region;
}

std::optional<Failed> decode_failed(std::string_view packet) {
  Reader reader(packet);
  const Prefix prefix = read_prefix(reader);
  Failed failed{prefix.call, reader.rest()};
  if (!reader.ok() || prefix.type != FrameType::failed) return std::nullopt;
  return failed;
}

Sent send(int fd, std::string_view prefix, std::string_view data, Wait wait, int attached_fd) {
  const int flags = MSG_NOSIGNAL | (wait == Wait::no ? MSG_DONTWAIT : 0);
  if (attached_fd < 0 && (data.empty() || prefix.size() + data.size() <= kJoinedMax)) {
    return send_joined(fd, prefix, data, flags);
  }
  iovec slices[2] = {{const_cast<char*>(prefix.data()), prefix.size()},
                     {const_cast<char*>(data.data()), data.size()}};
  msghdr message{};
  message.msg_iov = slices;
  message.msg_iovlen = data.empty() ? 1 : 2;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  if (attached_fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &attached_fd, sizeof(int));
  }
  while (::sendmsg(fd, &message, flags) < 0) {
    if (const auto verdict = failed_send()) return *verdict;
  }
  return Sent::yes;
}

Received receive(int fd, std::span<char> buffer, Wait wait) {
  ssize_t size = 0;
  while ((size = ::recv(fd, buffer.data(), buffer.size(), wait == Wait::no ? MSG_DONTWAIT : 0)) < 0) {
    if (errno == EINTR) continue;
    Received nothing;
    nothing.would_block = would_block();
    return nothing;
  }
  return {std::string_view(buffer.data(), static_cast<std::size_t>(size))};
}

Received receive_attached(int fd, std::span<char> buffer, Wait wait) {
  iovec slice{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &slice;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const int flags = MSG_CMSG_CLOEXEC | (wait == Wait::no ? MSG_DONTWAIT : 0);
  ssize_t size = 0;
  while ((size = ::recvmsg(fd, &message, flags)) < 0) {
    if (errno == EINTR) continue;
    Received nothing;
    nothing.would_block = would_block();
    return nothing;
  }
  Received received{std::string_view(buffer.data(), static_cast<std::size_t>(size))};
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
      int attached = -1;
      std::memcpy(&attached, CMSG_DATA(header), sizeof attached);
      received.attached = Fd(attached);
    }
  }
  return received;
}

}  // namespace moult::lane
