#include "tests/unit/front/fixture.h"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

// Gives arbitrary bytes to a connection of the front end, on a wire that the first byte chooses, whose app is
// played: what it submits has to fit a lane packet and be read back as it was, and pieces of a body are no
// larger than a packet takes.

using namespace moult;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_packet(const Call& call) {
  static std::vector<char> packet(lane::kPacketMax);
  const std::size_t size = lane::encode_request(packet, call.head, call.headers, call.body.size());
  require(size > 0 && size == lane::request_size(call.head, call.headers));
  require(size + call.body.size() <= lane::kRequestMax);
  std::copy(call.body.begin(), call.body.end(), packet.begin() + static_cast<std::ptrdiff_t>(size));
  const auto read = lane::decode_request({packet.data(), size + call.body.size()});
  require(read && read->body == call.body && read->head.target == call.head.target &&
          read->head.path_info == call.head.path_info && read->header_count == call.headers.size());
  lane::HeaderWalk walk(*read);
  lane::Header header;
  for (const lane::Header& expected : call.headers) {
    require(walk.next(header) && header.name == expected.name && header.value == expected.value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static test::Front front;
  front.app.on_submit = [](Call& call) {
    check_packet(call);
    if ((call.head.flags & lane::kBodyStreams) != 0) {
      call.client->on_want_body(call);
    } else {
      test::answer(call, "fits");
    }
  };
  front.app.on_body = [](Call& call) {
    require(front.app.largest_piece <= lane::kChunkMax);
    front.app.body_ended ? test::answer(call, "whole") : call.client->on_want_body(call);
  };
  front.app.streamed.clear();
  front.app.seen.clear();
  if (size == 0) return 0;
  const Wire wire = std::array{Wire::http, Wire::fcgi, Wire::scgi, Wire::uwsgi}[data[0] % 4];
  const Fd client = wire == Wire::http ? front.connect() : front.connect_front(wire);
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (int round = 0; !rest.empty() && round < 64; ++round) {
    const ssize_t taken = ::send(client.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken > 0) rest.remove_prefix(static_cast<std::size_t>(taken));
    front.pump(1);
    front.read_now(client);
  }
  return 0;
}
