// Whatever the parser accepts is carried by one lane packet or refused with a status: a property, over
// heads that are made at random near all the limits.

#include "tests/unit/front/fixture.h"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <random>

using namespace moult;
using namespace moult::test;

namespace {

class Heads {
 public:
  explicit Heads(unsigned seed) : random_(seed) {}

  std::size_t number(std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(random_);
  }
  bool chance() { return number(1) == 1; }
  // Mostly small, often as large as can be.
  std::size_t size(std::size_t most) {
    return chance() ? number(most) : number(std::min<std::size_t>(most, 40));
  }

  std::string message() {
    std::size_t left = 32'000;
    const auto part = [&](char letter) {
      const std::string text(size(left), letter);
      left -= text.size();
      return text;
    };
    std::string head = chance() ? "POST " : "PUT ";
    if (chance()) head += "http://" + part('a');
    head += "/" + part('p');
    while (chance() && left > 100) {
      head += "%70";
      left -= 3;
    }
    if (chance()) head += "?" + part('q');
    head += " HTTP/1.1\r\nHost: " + (chance() ? "h" : part('h')) + "\r\n";
    for (std::size_t i = number(90); i > 0 && left > 200; --i) {
      head += "X-" + std::to_string(i) + ": " + part('v') + "\r\n";
      left -= std::min<std::size_t>(left, 10);
    }
    if (chance()) head += "X-Forwarded-For: 2001:db8:1111:2222:3333:4444:5555:6666\r\n";
    const std::string body(size(lane::kInlineBodyMax), 'b');
    if (chance()) return head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    head += "Transfer-Encoding: chunked\r\n\r\n";
    if (!body.empty()) head += fmt::format("{:x}\r\n", body.size()) + body + "\r\n";
    return head + "0\r\n\r\n";
  }

 private:
  std::mt19937 random_;
};

// Sends it as fast as it is taken; the answer's first line.
std::string first_line(Front& front, const std::string& message, bool trusted) {
  http::Peer peer;
  peer.trusted = trusted;
  const Fd client = front.connect(std::move(peer));
  std::string answer;
  std::size_t sent = 0;
  for (int round = 0; round < 200 && answer.find("\r\n") == std::string::npos; ++round) {
    const ssize_t taken = ::send(client.get(), message.data() + sent, message.size() - sent, MSG_NOSIGNAL);
    if (taken > 0) sent += static_cast<std::size_t>(taken);
    front.pump(2);
    answer += front.read_now(client);
  }
  return answer.substr(0, answer.find("\r\n"));
}

}  // namespace

TEST_CASE("any head that is accepted with any small body is carried by a packet, or refused") {
  Front front;
  std::vector<char> packet(lane::kPacketMax);
  std::size_t carried = 0;
  std::size_t refused = 0;
  front.app.on_submit = [&](Call& call) {
    const std::size_t size = lane::encode_request(packet, call.head, call.headers, call.body.size());
    REQUIRE(size > 0);
    REQUIRE(size == lane::request_size(call.head, call.headers));
    REQUIRE(size + call.body.size() <= lane::kRequestMax);
    answer(call, "carried");
  };
  Heads heads(20);
  for (int round = 0; round < 400; ++round) {
    CAPTURE(round);
    const std::string line = first_line(front, heads.message(), round % 2 == 0);
    if (line.starts_with("HTTP/1.1 200")) {
      ++carried;
    } else {
      REQUIRE(line.starts_with("HTTP/1.1 4"));
      ++refused;
    }
  }
  CHECK(carried > 100);
  CHECK(refused > 10);
}

TEST_CASE("an authority that fills the head does not fill a packet") {
  for (const std::size_t size : {21'850U, 31'900U}) {
    for (const bool chunked : {false, true}) {
      Front front;
      front.app.on_submit = [](Call& call) { answer(call, "carried"); };
      const std::string body(60'000, 'b');
      const std::string head = "POST http://" + std::string(size, 'a') + "/ HTTP/1.1\r\nHost: x\r\n";
      const std::string message =
          chunked ? head + fmt::format("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.size()) + body +
                        "\r\n0\r\n\r\n"
                  : head + "Content-Length: 60000\r\n\r\n" + body;
      CHECK(first_line(front, message, false).starts_with("HTTP/1.1 400"));
    }
  }
}
