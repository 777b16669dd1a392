#pragma once

#include "ipc/base/fd.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

// The frames of calls. Requests and whole answers travel on the batch lane of an interpreter (ipc/batch.h),
// all the rest on the lane of the worker that serves the call: a SOCK_SEQPACKET pair where one packet is one
// frame. ipc/PROTOCOL.md gives the grammar and the order of frames. Encoders write into a caller's buffer,
// decoders return slices of the packet: nothing on this path allocates.

namespace moult::lane {

// The largest packet. It fits the send buffer that seqpacket_pair() asks for, also where the machine
// gives no more than twice 65,536 bytes (net.core.wmem_max), of which the kernel keeps 32 for itself.
inline constexpr std::size_t kPacketMax = 126 * 1024;
// The largest request: it is one frame of a packet (ipc/batch.h).
inline constexpr std::size_t kRequestMax = kPacketMax - 2 * sizeof(std::uint32_t);
// A request body up to this size travels in the request's own packet, if the head leaves room for it.
inline constexpr std::size_t kInlineBodyMax = 64 * 1024;
// The headers and the reason of an answer; more of them is the app's mistake.
inline constexpr std::size_t kAnswerHeadMax = 96 * 1024;
// The largest piece of a body in one packet.
inline constexpr std::size_t kChunkMax = 64 * 1024;

enum class FrameType : std::uint8_t {
  // daemon -> worker
  request = 1,  // head, and the whole body unless kBodyStreams
  body = 2,     // a piece of the request's body
  abort = 3,    // the client has gone or the call was given up
  // worker -> daemon
  want_body = 16,  // the app reads: send the next piece (and 100-continue before the first)
  head = 17,       // status and headers, with the first (often the whole) piece of the body
  chunk = 18,      // a piece of the response's body
  file = 19,       // a region of the regular file whose descriptor travels with the packet
  failed = 20,     // the app raised; before the head: 500; after it: the connection is cut
  returned = 21,   // no worker has begun it, and the daemon asked for it (command give_back)
};

// Flags of a request.
inline constexpr std::uint8_t kBodyStreams = 1;  // pieces follow on kWantBody
inline constexpr std::uint8_t kBodyChunked = 2;  // no Content-Length: CONTENT_LENGTH is unset
inline constexpr std::uint8_t kHttps = 4;        // wsgi.url_scheme
inline constexpr std::uint8_t kHttp10 = 8;
inline constexpr std::uint8_t kWarmup = 16;  // made by the daemon: moult.request is a warm-up
inline constexpr std::uint8_t kCall = 32;    // a call of an exported function, not HTTP
// Flags of body, head, chunk, file.
inline constexpr std::uint8_t kEnd = 1;     // the last piece; the call is over for this side
inline constexpr std::uint8_t kBroken = 2;  // body: the client broke off before the end
// Flag of failed: the app is to be asked again, in a process of its own.
inline constexpr std::uint8_t kMoved = 1;
// Flags of head.
inline constexpr std::uint8_t kHasLength = 4;  // the headers have a Content-Length, in `length`
inline constexpr std::uint8_t kHasDate = 8;
inline constexpr std::uint8_t kHasServer = 16;

struct Header {
  std::string_view name;  // lower case, as in "accept-language"; or a variable for the app: "=REMOTE_USER"
  std::string_view value;
};

// The fields of a request's head, in wire order. All views point into somebody else's buffer.
struct RequestHead {
  std::uint64_t call = 0;
  std::uint8_t flags = 0;
  std::uint64_t content_length = 0;  // without meaning when kBodyChunked
  std::string_view method;
  std::string_view target;       // as received: REQUEST_URI
  std::string_view script_name;  // percent-decoded
  std::string_view path_info;    // percent-decoded
  std::string_view query;
  std::string_view server_name;
  std::string_view server_port;
  std::string_view remote_addr;  // empty on a unix socket without X-Forwarded-For
  std::string_view remote_port;
};

struct Request {
  RequestHead head;
  std::uint16_t header_count = 0;
  std::string_view headers;  // walk with HeaderWalk
  std::string_view body;
};

// Walks the encoded headers of a Request, in the order in which they came.
class HeaderWalk {
 public:
  explicit HeaderWalk(const Request& request) : rest_(request.headers), left_(request.header_count) {}
  bool next(Header& header);

 private:
  std::string_view rest_;
  std::uint16_t left_;
};

struct Head {
  std::uint64_t call = 0;
  std::uint8_t flags = 0;
  std::uint64_t length = 0;      // the Content-Length when kHasLength
  std::uint16_t status = 0;      // 200
  std::string_view reason;       // "OK"
  std::string_view header_text;  // "Name: value\r\n" lines, validated by the worker; no hop-by-hop ones
  std::string_view body;
};

struct Chunk {
  std::uint64_t call = 0;
  std::uint8_t flags = 0;
  std::string_view data;
};

struct FileRegion {
  std::uint64_t call = 0;
  std::uint8_t flags = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

struct Failed {
  std::uint64_t call = 0;
  std::string_view traceback;
};

// Encoders: the packet's size, or 0 when it does not fit into `out`. The body of a request and of
// a head is not copied: it is sent as a second slice after the encoded part (see send()).
std::size_t encode_request(std::span<char> out, const RequestHead& head, std::span<const Header> headers,
                           std::size_t body_size);
// How many bytes that would be: what is larger than kRequestMax with its body cannot be sent.
std::size_t request_size(const RequestHead& head, std::span<const Header> headers);
std::size_t encode_head(std::span<char> out, const Head& head);  // without head.body's bytes
std::size_t encode_chunk_prefix(std::span<char> out, FrameType type, std::uint64_t call, std::uint8_t flags);
std::size_t encode_file(std::span<char> out, const FileRegion& region);

// Decoders: nothing when the packet is not a whole frame of that type. The views point into it.
std::optional<FrameType> frame_type(std::string_view packet);
std::optional<Request> decode_request(std::string_view packet);
std::optional<Head> decode_head(std::string_view packet);
std::optional<Chunk> decode_chunk(std::string_view packet);  // body, chunk, want_body, abort
std::optional<FileRegion> decode_file(std::string_view packet);
std::optional<Failed> decode_failed(std::string_view packet);

enum class Sent { yes, would_block, closed };

// One packet of two slices. Wait::no returns would_block instead of waiting. `closed` is every other
// failure, also a buffer that the other side made too small: the lane is of no use any more.
enum class Wait { no, yes };
Sent send(int fd, std::string_view prefix, std::string_view data, Wait wait, int attached_fd = -1);

struct Received {
  std::string_view packet;  // empty: closed
  bool would_block = false;
  Fd attached{};
};
// One packet into `buffer`, which must hold kPacketMax bytes. A descriptor that came with it is lost.
Received receive(int fd, std::span<char> buffer, Wait wait);
// The same with its descriptor: for the daemon's end.
Received receive_attached(int fd, std::span<char> buffer, Wait wait);

}  // namespace moult::lane
