#include "tests/unit/front/fixture.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace moult::test;

namespace {

const std::string kGet = "GET /a?b=c HTTP/1.1\r\nHost: Example.org:8080\r\n\r\n";

}  // namespace

TEST_CASE("a body in chunks that ends early travels with the request") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "ok"); };
  const Fd client = front.connect();
  front.exchange(client, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  CHECK(front.app.seen.empty());
  CHECK(ends_with_body(front.exchange(client, "2\r\nde\r\n0\r\n\r\n"), "ok"));
  REQUIRE(front.app.seen.size() == 1);
  CHECK(front.app.seen[0].body == "abcde");
  CHECK((front.app.seen[0].flags & lane::kBodyChunked) != 0);
  CHECK(ends_with_body(front.exchange(client, kGet), "ok"));
}

TEST_CASE("a body that fits the lane but not the input buffer is collected whole") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "ok"); };
  const Fd client = front.connect();
  const std::string body(60'000, 'b');
  front.write(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
  front.write(client, body);
  front.pump(8);
  CHECK(ends_with_body(front.read(client), "ok"));
  REQUIRE(front.app.seen.size() == 1);
  CHECK(front.app.seen[0].body == body);
}

TEST_CASE("a large body streams, one piece for each want_body") {
  for (const bool chunked : {false, true}) {
    CAPTURE(chunked);
    Front front;
    const Fd client = front.connect();
    const std::string body(200'000, 'b');
    std::string message = "POST / HTTP/1.1\r\nHost: a\r\n";
    message += chunked ? "Transfer-Encoding: chunked\r\n\r\n30d40\r\n" + body + "\r\n0\r\n\r\n"
                       : "Content-Length: 200000\r\n\r\n" + body;
    std::size_t sent = 0;
    for (int i = 0; i < 100 && !front.app.body_ended; ++i) {
      const ssize_t taken = ::send(client.get(), message.data() + sent, message.size() - sent, MSG_NOSIGNAL);
      if (taken > 0) sent += static_cast<std::size_t>(taken);
      front.pump();
      const std::size_t before = front.app.streamed.size();
      if (front.app.current != nullptr) front.app.current->client->on_want_body(*front.app.current);
      front.pump();
      CHECK(front.app.streamed.size() - before <= lane::kChunkMax);
    }
    REQUIRE(front.app.seen.size() == 1);
    CHECK((front.app.seen[0].flags & lane::kBodyStreams) != 0);
    CHECK(front.app.seen[0].body.empty());
    CHECK(front.app.streamed == body);
    CHECK(front.app.largest_piece <= lane::kChunkMax);
    CHECK_FALSE(front.app.body_broken);
    answer(*front.app.current, "done");
    CHECK(ends_with_body(front.read(client), "done"));
    front.app.on_submit = [](Call& call) { answer(call, "next"); };
    CHECK(ends_with_body(front.exchange(client, kGet), "next"));
  }
}

TEST_CASE("without want_body a large upload is not read without bound") {
  Front front;
  const Fd client = front.connect();
  front.write(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  const std::string block(100'000, 'b');
  std::size_t sent = 0;
  for (int i = 0; i < 50; ++i) {
    const ssize_t taken = ::send(client.get(), block.data(), block.size(), MSG_NOSIGNAL);
    if (taken > 0) sent += static_cast<std::size_t>(taken);
    front.pump();
  }
  CHECK(sent < 900'000);
  CHECK(front.app.streamed.empty());
}

TEST_CASE("100 Continue is sent when the app first reads, not before") {
  Front front;
  const Fd client = front.connect();
  CHECK(
      front
          .exchange(client, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
          .empty());
  REQUIRE(front.app.current != nullptr);
  front.app.current->client->on_want_body(*front.app.current);
  front.pump();
  CHECK(front.read(client) == "HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(front.exchange(client, "abc").empty());
  CHECK(front.app.streamed == "abc");
  CHECK(front.app.body_ended);
  answer(*front.app.current, "ok");
  const std::string response = front.read(client);
  CHECK(response.starts_with("HTTP/1.1 200"));
  CHECK(count(response, "Connection: close") == 0);
}

TEST_CASE("an answer without 100 Continue closes, since the body may still come or not") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "no", 403); };
  const Fd client = front.connect();
  const std::string response = front.exchange(
      client, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  CHECK(response.starts_with("HTTP/1.1 403"));
  CHECK(count(response, "Connection: close") == 1);
  CHECK(front.closed);
}

TEST_CASE("a body larger than max_body is refused before the app sees the request") {
  Front front;
  front.target.max_body = 10;
  const Fd client = front.connect();
  CHECK(front.exchange(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n")
            .starts_with("HTTP/1.1 413"));
  CHECK(front.closed);
  const Fd second = front.connect();
  CHECK(front.exchange(second, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123")
            .starts_with("HTTP/1.1 413"));
  CHECK(front.app.seen.empty());
}

TEST_CASE("a streamed body that breaks is told to the app, and the connection ends after the answer") {
  Front front;
  const Fd client = front.connect();
  const std::string block(70'000, 'b');
  front.write(client, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n" + block +
                          "\r\nxyz\r\n\r\n");
  front.pump(8);
  REQUIRE(front.app.current != nullptr);
  front.app.on_body = [&front](Call& call) {
    if (!front.app.body_ended) call.client->on_want_body(call);
  };
  front.app.current->client->on_want_body(*front.app.current);
  front.pump();
  CHECK(front.app.body_broken);
  answer(*front.app.current, "broken");
  front.pump();
  CHECK(ends_with_body(front.read(client), "broken"));
  CHECK(front.closed);
}

TEST_CASE("a small body that the app did not read is drained, a large one ends the connection") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "early"); };
  const Fd client = front.connect();
  front.write(client,
              "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 170000\r\n\r\n" + std::string(66'000, 'x'));
  front.pump(8);
  CHECK(count(front.read(client), "Connection: close") == 1);
  CHECK(front.closed);
  // 404 while the body is still on its way.
  front.routes = Routes();
  const Fd second = front.connect();
  front.write(second, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  front.pump();
  CHECK(count(front.read(second), "404 Not Found") > 0);
  CHECK_FALSE(front.closed);
  CHECK(front.exchange(second, std::string(1000, 'x')).empty());
  CHECK(front.exchange(second, kGet).starts_with("HTTP/1.1 404"));
}

TEST_CASE("the largest head that is allowed and the largest body together fit a lane packet") {
  Front front;
  const Fd client = front.connect();
  std::string message =
      "POST /" + std::string(32'600, 'p') + " HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n";
  REQUIRE(message.size() < 32 * 1024);
  message += std::string(65'536, 'b');
  front.write(client, message);
  front.pump(8);
  REQUIRE(front.app.current != nullptr);
  std::vector<char> packet(lane::kPacketMax);
  const Call& call = *front.app.current;
  const std::size_t size = lane::encode_request(packet, call.head, call.headers, call.body.size());
  CHECK(size > 0);
  CHECK(size + call.body.size() <= lane::kRequestMax);
}

TEST_CASE("an app that asks for more from inside send_body gets the pieces in order") {
  Front front;
  front.app.on_submit = [](Call& call) { call.client->on_want_body(call); };
  front.app.on_body = [&front](Call& call) {
    if (front.app.body_ended) {
      answer(call, std::to_string(front.app.streamed.size()));
    } else {
      call.client->on_want_body(call);
    }
  };
  const Fd client = front.connect();
  front.write(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n");
  std::string response;
  for (int sent = 0; sent < 150'000; sent += 30'000) {
    front.write(client, std::string(30'000, 'x'));
    front.pump(8);
    response += front.read(client);
  }
  CHECK(ends_with_body(response, "150000"));
  front.app.on_submit = [](Call& call) { answer(call, "next"); };
  CHECK(ends_with_body(front.exchange(client, kGet), "next"));
}

TEST_CASE("an app that fails for want of the rest of a refused body gives the client the reason") {
  Front front;
  const Fd client = front.connect();
  front.write(client, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n" +
                          std::string(0x10000, 'a') + "\r\n");
  front.pump();
  REQUIRE(front.app.current != nullptr);
  Call& call = *front.app.current;
  front.write(client, "fffffff\r\n");
  call.client->on_want_body(call);
  call.client->on_want_body(call);
  front.pump();
  call.client->on_want_body(call);
  REQUIRE(front.app.body_broken);
  call.client->on_failure(call, CallFailure::app_error, "");
  CHECK(front.read(client).starts_with("HTTP/1.1 413 "));
}
