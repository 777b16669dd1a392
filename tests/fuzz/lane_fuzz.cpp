#include "ipc/lane.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

// Gives arbitrary packets to the decoders of lanes, as a host gone wrong may send them: what they return
// lies inside the packet, and a request or a head that is read can be written again, no larger than it was.

using namespace moult;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool lies_in(std::string_view part, std::string_view packet) {
  return part.empty() ||
         (part.data() >= packet.data() && part.data() + part.size() <= packet.data() + packet.size());
}

void check_request(std::string_view packet) {
  const auto request = lane::decode_request(packet);
  if (!request) return;
  std::vector<lane::Header> headers;
  lane::HeaderWalk walk(*request);
  for (lane::Header header; walk.next(header);) {
    require(lies_in(header.name, packet) && lies_in(header.value, packet));
    headers.push_back(header);
  }
  require(headers.size() <= request->header_count);
  if (headers.size() < request->header_count) return;  // the daemon refuses it
  std::vector<char> again(packet.size());
  const std::size_t size = lane::encode_request(again, request->head, headers, request->body.size());
  require(size > 0 && size == lane::request_size(request->head, headers));
  require(size + request->body.size() <= packet.size());
}

void check_head(std::string_view packet) {
  const auto head = lane::decode_head(packet);
  if (!head) return;
  require(lies_in(head->reason, packet) && lies_in(head->header_text, packet) && lies_in(head->body, packet));
  std::vector<char> again(packet.size());
  const std::size_t size = lane::encode_head(again, *head);
  require(size > 0 && size + head->body.size() == packet.size());
  require(std::equal(again.begin(), again.begin() + static_cast<std::ptrdiff_t>(size), packet.begin()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  require(lane::frame_type(packet).has_value() == !packet.empty());
  check_request(packet);
  check_head(packet);
  if (const auto chunk = lane::decode_chunk(packet)) require(lies_in(chunk->data, packet));
  if (const auto failed = lane::decode_failed(packet)) require(lies_in(failed->traceback, packet));
  lane::decode_file(packet);
  return 0;
}
