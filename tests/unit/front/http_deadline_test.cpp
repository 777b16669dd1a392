#include "tests/unit/front/fixture.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace moult::test;

namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

DaemonConfig with_timeouts() {
  DaemonConfig config;
  config.header_timeout = Milliseconds(10'000);
  config.body_timeout = Milliseconds(20'000);
  config.idle_timeout = Milliseconds(50'000);
  config.send_timeout = Milliseconds(30'000);
  return config;
}

// A client whose request is being answered, and who sends no more.
Fd ask_and_end_the_side(Front& front) {
  Fd client = front.connect();
  front.write(client, kGet);
  ::shutdown(client.get(), SHUT_WR);
  front.pump(8);
  REQUIRE(front.app.current != nullptr);
  return client;
}

}  // namespace

TEST_CASE("a head that does not end in time gets 408") {
  Front front(with_timeouts());
  const Fd client = front.connect();
  front.write(client, "GET / HTTP/1.1\r\n");
  front.pump();
  front.pass(Milliseconds(9'000));
  CHECK_FALSE(front.closed);
  CHECK(front.read(client).empty());
  front.pass(Milliseconds(11'000));
  CHECK(front.read(client).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  CHECK(front.closed);
}

TEST_CASE("a connection on which nothing comes is closed without a word") {
  Front front(with_timeouts());
  const Fd client = front.connect();
  front.pass(Milliseconds(11'000));
  CHECK(front.read(client).empty());
  CHECK(front.closed);
}

TEST_CASE("an idle connection is kept for idle_timeout, and a begun request then has header_timeout") {
  Front front(with_timeouts());
  front.app.on_submit = [](Call& call) { answer(call, "x"); };
  const Fd client = front.connect();
  front.exchange(client, kGet);
  front.pass(Milliseconds(49'000));
  front.read(client);
  CHECK_FALSE(front.closed);
  CHECK(front.exchange(client, "GET").empty());
  front.pass(Milliseconds(11'000));
  CHECK(front.read(client).starts_with("HTTP/1.1 408"));

  const Fd second = front.connect();
  front.exchange(second, kGet);
  front.pass(Milliseconds(51'000));
  CHECK(front.read(second).empty());
  CHECK(front.closed);
}

TEST_CASE("a body that stops coming gets 408 before the app has seen the request") {
  Front front(with_timeouts());
  const Fd client = front.connect();
  front.exchange(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
  front.pass(Milliseconds(19'000));
  CHECK(front.read(client).empty());
  front.pass(Milliseconds(21'000));
  CHECK(front.read(client).starts_with("HTTP/1.1 408"));
  CHECK(front.closed);
  CHECK(front.app.seen.empty());
}

TEST_CASE("a streamed body that stops coming is broken for the app that waits for it") {
  Front front(with_timeouts());
  const Fd client = front.connect();
  front.exchange(client,
                 "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n");
  REQUIRE(front.app.current != nullptr);
  front.pass(Milliseconds(100'000));  // nobody reads, so nobody is late
  CHECK_FALSE(front.app.body_ended);
  front.app.current->client->on_want_body(*front.app.current);
  front.pass(Milliseconds(21'000));
  CHECK(front.app.body_broken);
  answer(*front.app.current, "late", 400);
  front.pump();
  CHECK(front.read(client).ends_with("late"));
  CHECK(front.closed);
}

TEST_CASE("a body that comes, but slower than min_rate, is late once body_timeout is over") {
  Front front(with_timeouts());
  const Fd client = front.connect();
  front.exchange(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\na");
  front.pass(Milliseconds(15'000));
  front.exchange(client, "b");  // read_deadline begins anew, the average does not
  CHECK(front.read(client).empty());
  front.server.sweep(front.loop.now() + Milliseconds(19'000));
  CHECK(front.read(client).empty());
  front.server.sweep(front.loop.now() + Milliseconds(20'100));
  CHECK(front.read(client).starts_with("HTTP/1.1 408"));
}

TEST_CASE("a client that reads, but slower than min_rate, is cut once send_timeout is over") {
  DaemonConfig config = with_timeouts();
  config.min_rate = 100'000;
  Front front(config);
  const Fd client = front.connect();
  front.exchange(client, kGet);
  Call& call = *front.app.current;
  begin_answer(call, "");
  while (!front.app.paused) call.client->on_chunk(call, std::string(64 * 1024, 'x'), End::no);
  SteadyTime now = front.loop.now();
  char buffer[4096];
  for (int round = 0; round < 4; ++round) {  // each is progress, so that nobody reads nothing
    front.server.sweep(now += Milliseconds(9'000));
    CHECK(::recv(client.get(), buffer, sizeof buffer, 0) > 0);
    front.pump();
  }
  CHECK(front.app.cancelled == 1);
}

TEST_CASE("a client that has ended its side and is told nothing for ten seconds has gone") {
  Front front(with_timeouts());
  const Fd client = ask_and_end_the_side(front);
  front.pass(Milliseconds(9'000));
  CHECK(front.app.cancelled == 0);
  begin_answer(*front.app.current, "a");  // counts from here
  front.pass(Milliseconds(9'900));
  CHECK(front.app.cancelled == 0);
  front.pass(Milliseconds(11'000));
  CHECK(front.app.cancelled == 1);
}

TEST_CASE("a client that has ended its side may take its time to read") {
  Front front(with_timeouts());
  const Fd client = ask_and_end_the_side(front);
  answer(*front.app.current, std::string(2'000'000, 'x'));
  std::size_t got = 0;
  for (int round = 1; round <= 4; ++round) {
    front.pass(Milliseconds(round * 12'000));
    got += front.read(client).size();
  }
  while (!front.closed) got += front.read(client).size();
  CHECK(got > 2'000'000);
}

TEST_CASE("an app may take its time; no deadline of ours ends its call") {
  Front front(with_timeouts());
  const Fd client = front.connect();
  front.exchange(client, kGet);
  front.pass(Milliseconds(1'000'000));
  CHECK(front.app.cancelled == 0);
  answer(*front.app.current, "slow");
  CHECK(front.read(client).ends_with("slow"));
}

TEST_CASE("a client that reads nothing is cut after send_timeout, and its call is cancelled") {
  Front front(with_timeouts());
  const Fd client = front.connect();
  front.exchange(client, kGet);
  Call& call = *front.app.current;
  begin_answer(call, "");
  while (!front.app.paused) call.client->on_chunk(call, std::string(64 * 1024, 'x'), End::no);
  front.pass(Milliseconds(29'000));
  CHECK(front.app.cancelled == 0);
  front.read(client);  // progress: the deadline begins anew
  front.pump();
  front.pass(Milliseconds(29'000));
  CHECK(front.app.cancelled == 0);
  front.pass(Milliseconds(61'000));  // from the sweep that saw the progress
  CHECK(front.app.cancelled == 1);
  CHECK(front.server.counters().open == 0);
}

TEST_CASE("a refused client that keeps sending is let go after the linger time") {
  Front front(with_timeouts());
  const Fd client = front.connect();
  front.exchange(client, "BAD\r\n\r\n");
  CHECK(front.server.counters().open == 1);
  front.pass(Milliseconds(6'000));
  CHECK(front.server.counters().open == 0);
}
