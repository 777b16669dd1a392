#include "ipc/lane.h"

#include <doctest/doctest.h>

#include <sys/socket.h>
#include <array>
#include <string>
#include <vector>

using namespace moult;

TEST_CASE("a request arrives with all its fields and headers in order") {
  lane::RequestHead head;
  head.call = 42;
  head.flags = lane::kHttps;
  head.content_length = 4;
  head.method = "POST";
  head.target = "/a%20b?x=1";
  head.path_info = "/a b";
  head.query = "x=1";
  head.server_name = "example.org";
  head.server_port = "443";
  const std::vector<lane::Header> headers{{"host", "example.org"}, {"accept", ""}, {"accept", "b"}};
  std::array<char, 4096> buffer{};
  const std::size_t size = lane::encode_request(buffer, head, headers, 4);
  REQUIRE(size > 0);
  const std::string packet = std::string(buffer.data(), size) + "body";

  const auto request = lane::decode_request(packet);
  REQUIRE(request);
  CHECK(request->head.call == 42);
  CHECK(request->head.flags == lane::kHttps);
  CHECK(request->head.method == "POST");
  CHECK(request->head.target == "/a%20b?x=1");
  CHECK(request->head.script_name.empty());
  CHECK(request->head.path_info == "/a b");
  CHECK(request->head.server_port == "443");
  CHECK(request->body == "body");
  lane::HeaderWalk walk(*request);
  lane::Header header;
  for (const lane::Header& expected : headers) {
    REQUIRE(walk.next(header));
    CHECK(header.name == expected.name);
    CHECK(header.value == expected.value);
  }
  CHECK_FALSE(walk.next(header));
}

TEST_CASE("a request that is cut off anywhere is refused") {
  lane::RequestHead head;
  head.method = "GET";
  const std::vector<lane::Header> headers{{"host", "x"}};
  std::array<char, 512> buffer{};
  const std::size_t size = lane::encode_request(buffer, head, headers, 0);
  REQUIRE(lane::decode_request({buffer.data(), size}));
  for (std::size_t length = 0; length < size; ++length) {
    CHECK_FALSE(lane::decode_request({buffer.data(), length}));
  }
}

TEST_CASE("encoding into a buffer that is too small gives nothing") {
  lane::RequestHead head;
  head.method = "GET";
  std::array<char, 20> buffer{};
  CHECK(lane::encode_request(buffer, head, {}, 0) == 0);
}

TEST_CASE("the largest packet passes, and one that the buffer cannot take ends the lane, not the process") {
  auto pair = seqpacket_pair();
  REQUIRE(pair);
  const std::string prefix(10, 'p');
  const std::string data(lane::kPacketMax - prefix.size(), 'd');
  CHECK(lane::send(pair->ours.get(), prefix, data, lane::Wait::no) == lane::Sent::yes);
  CHECK(lane::send(pair->theirs.get(), prefix, data, lane::Wait::no) == lane::Sent::yes);
  std::vector<char> in(lane::kPacketMax);
  CHECK(lane::receive(pair->theirs.get(), in, lane::Wait::no).packet == prefix + data);
  const int small = 1;  // the kernel makes it its least
  REQUIRE(::setsockopt(pair->theirs.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
  CHECK(lane::send(pair->theirs.get(), prefix, data, lane::Wait::no) == lane::Sent::closed);
}

TEST_CASE("a packet with a descriptor passes both over a lane") {
  auto pair = seqpacket_pair();
  REQUIRE(pair);
  auto pipe = make_pipe();
  REQUIRE(pipe);
  std::array<char, 64> out{};
  const std::size_t size = lane::encode_file(out, {7, lane::kEnd, 10, 20});
  REQUIRE(lane::send(pair->theirs.get(), {out.data(), size}, {}, lane::Wait::no, pipe->read.get()) ==
          lane::Sent::yes);
  std::vector<char> in(lane::kPacketMax);
  const auto received = lane::receive_attached(pair->ours.get(), in, lane::Wait::no);
  CHECK(received.attached);
  const auto region = lane::decode_file(received.packet);
  REQUIRE(region);
  CHECK(region->call == 7);
  CHECK(region->offset == 10);
  CHECK(region->length == 20);
  CHECK(lane::receive(pair->ours.get(), in, lane::Wait::no).would_block);
  pair->theirs.reset();
  const auto closed = lane::receive(pair->ours.get(), in, lane::Wait::no);
  CHECK_FALSE(closed.would_block);
  CHECK(closed.packet.empty());
}
