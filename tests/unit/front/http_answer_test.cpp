#include "tests/unit/front/fixture.h"

#include <doctest/doctest.h>

// When answers are written: at the end of the loop's round.

using namespace moult;
using namespace moult::test;

namespace {

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";

}  // namespace

TEST_CASE("answers are written together when the loop has seen all that was ready") {
  Front front;
  const Fd one = front.connect();
  const Fd two = front.connect();
  front.write(one, kRequest);
  front.pump();
  Call& first = *front.app.current;
  front.write(two, kRequest);
  front.pump();
  answer(first, "first");
  answer(*front.app.current, "second");
  CHECK(front.read_now(one).empty());
  CHECK(front.read_now(two).empty());
  CHECK(ends_with_body(front.read(one), "first"));
  CHECK(ends_with_body(front.read(two), "second"));
}

TEST_CASE("small chunks that come in one go leave together and in order") {
  Front front;
  const Fd client = front.connect();
  front.write(client, kRequest);
  front.pump();
  Call& call = *front.app.current;
  begin_answer(call, "one");
  call.client->on_chunk(call, "two", End::no);
  CHECK(front.read_now(client).empty());
  CHECK(front.read(client).ends_with("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n"));
  const std::string large(40'000, 'x');
  call.client->on_chunk(call, "three", End::no);
  call.client->on_chunk(call, large, End::no);
  call.client->on_chunk(call, "four", End::yes);
  CHECK(front.read(client) == "5\r\nthree\r\n9c40\r\n" + large + "\r\n4\r\nfour\r\n0\r\n\r\n");
}

TEST_CASE("what an app gave before it broke off is sent before the connection is cut") {
  Front front;
  const Fd client = front.connect();
  front.write(client, kRequest);
  front.pump();
  Call& call = *front.app.current;
  begin_answer(call, "first");
  call.client->on_failure(call, CallFailure::app_error, {});
  CHECK(front.read(client).ends_with("5\r\nfirst\r\n"));
  CHECK(front.closed);
}

TEST_CASE("a client that goes between its answer and the write ends its connection, nothing else") {
  Front front;
  const Fd other = front.connect();
  {
    const Fd client = front.connect();
    front.write(client, kRequest);
    front.pump();
    answer(*front.app.current, "nobody reads this");
  }
  front.pump();
  CHECK(front.server.counters().open == 1);
  CHECK(front.app.cancelled == 0);
  front.app.on_submit = [](Call& call) { answer(call, "still here"); };
  CHECK(ends_with_body(front.exchange(other, kRequest), "still here"));
}

TEST_CASE("an answer whose bytes are all out is over with its empty last piece") {
  Front front;
  const Fd client = front.connect();
  for (int request = 1; request <= 2; ++request) {
    front.write(client, kRequest);
    front.pump();
    REQUIRE(front.app.seen.size() == static_cast<std::size_t>(request));
    Call& call = *front.app.current;
    lane::Head head;
    head.status = 200;
    head.reason = "OK";
    head.header_text = "Content-Length: 3\r\n";
    head.flags = lane::kHasLength;
    head.length = 3;
    call.client->on_head(call, head, "all", End::no);
    CHECK(ends_with_body(front.read(client), "all"));
    call.client->on_chunk(call, {}, End::yes);
  }
}
