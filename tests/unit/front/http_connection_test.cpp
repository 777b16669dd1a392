#include "tests/unit/front/fixture.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace moult::test;

namespace {

const std::string kGet = "GET /a?b=c HTTP/1.1\r\nHost: Example.org:8080\r\nX-One: 1\r\n\r\n";

}  // namespace

TEST_CASE("a request reaches the app whole and the answer keeps the connection") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "hello"); };
  const Fd client = front.connect({"192.0.2.1", "4711"});
  const std::string response = front.exchange(client, kGet);
  CHECK(response.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(ends_with_body(response, "hello"));
  CHECK(count(response, "Date: ") == 1);
  CHECK(count(response, "Server: moult\r\n") == 1);
  CHECK(count(response, "Connection:") == 0);
  CHECK_FALSE(front.closed);
  REQUIRE(front.app.seen.size() == 1);
  const FakeApp::Seen& seen = front.app.seen[0];
  CHECK(seen.method == "GET");
  CHECK(seen.target == "/a?b=c");
  CHECK(seen.path_info == "/a");
  CHECK(seen.query == "b=c");
  CHECK(seen.server_name == "example.org");
  CHECK(seen.server_port == "8000");  // the listener's; the client's own is in Host
  CHECK(seen.remote_addr == "192.0.2.1");
  CHECK(seen.headers ==
        std::vector<std::pair<std::string, std::string>>{{"host", "Example.org:8080"}, {"x-one", "1"}});
  CHECK(ends_with_body(front.exchange(client, kGet), "hello"));
}

TEST_CASE("a small body travels with the request") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "ok"); };
  const Fd client = front.connect();
  front.write(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
  front.pump();
  CHECK(front.app.seen.empty());
  CHECK(ends_with_body(front.exchange(client, "56789"), "ok"));
  REQUIRE(front.app.seen.size() == 1);
  CHECK(front.app.seen[0].body == "0123456789");
  CHECK((front.app.seen[0].flags & lane::kBodyStreams) == 0);
}

TEST_CASE("pipelined requests are answered one at a time and in order") {
  Front front;
  const Fd client = front.connect();
  front.write(client,
              "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: "
              "a\r\n\r\n");
  for (const char* expected : {"/1", "/2", "/3"}) {
    front.pump();
    REQUIRE(front.app.current != nullptr);
    CHECK(front.app.seen.back().target == expected);
    Call* call = std::exchange(front.app.current, nullptr);
    answer(*call, expected);
    CHECK(front.app.current == nullptr);  // the next one is never started from inside the answer
    CHECK(ends_with_body(front.read(client), expected));
  }
  CHECK(front.app.seen.size() == 3);
}

TEST_CASE("pipelined requests that are answered from inside submit are all answered") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, call.head.target); };
  const Fd client = front.connect();
  std::string all;
  for (int i = 0; i < 50; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string response = front.exchange(client, all);
  CHECK(count(response, "HTTP/1.1 200 OK") == 50);
  CHECK(response.find("/7HTTP") < response.find("/8HTTP"));
}

TEST_CASE("a malformed request behind a good one is judged after the good one was answered") {
  Front front;
  const Fd client = front.connect();
  front.write(client, kGet + "BAD\r\n\r\n");
  front.pump();
  CHECK(front.read(client).empty());
  answer(*front.app.current, "fine");
  front.pump();
  const std::string response = front.read(client);
  CHECK(response.find("200 OK") < response.find("400 Bad Request"));
  CHECK(front.app.seen.size() == 1);
}

TEST_CASE("a refused request gets a page and a closed connection") {
  Front front;
  const Fd client = front.connect();
  const std::string response = front.exchange(client, "GET / HTTP/1.1\r\n\r\n");
  CHECK(response.starts_with("HTTP/1.1 400 Bad Request\r\n"));
  CHECK(count(response, "Connection: close\r\n") == 1);
  CHECK(response.find("exactly one Host") != std::string::npos);
  CHECK(front.closed);
  CHECK(front.app.seen.empty());
}

TEST_CASE("bad percent escapes and NUL in the path are refused, others are decoded once") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, call.head.path_info); };
  for (const char* path : {"/%", "/%4", "/%zz", "/%00"}) {
    const Fd client = front.connect();
    CHECK(front.exchange(client, "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n\r\n")
              .starts_with("HTTP/1.1 400"));
  }
  const Fd client = front.connect();
  CHECK(ends_with_body(front.exchange(client, "GET //a%2Fb/%2541/../c HTTP/1.1\r\nHost: a\r\n\r\n"),
                       "//a/b/%41/../c"));
}

TEST_CASE("an absolute target overrides the Host header") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "x"); };
  const Fd client = front.connect();
  front.exchange(client, "GET http://Other.example:99/p?q HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(front.app.seen.size() == 1);
  CHECK(front.app.seen[0].server_name == "other.example");
  CHECK(front.app.seen[0].server_port == "8000");
  CHECK(front.app.seen[0].path_info == "/p");
  CHECK(front.app.seen[0].headers[0].second == "Other.example:99");
}

TEST_CASE("a mounted app gets its prefix as script_name; no route is a 404") {
  Front front;
  FakeApp shop;
  shop.on_submit = [](Call& call) { answer(call, "shop"); };
  RouteTarget shop_target;
  shop_target.calls = &shop;
  front.routes = Routes();
  front.routes.add("example.org", "/my shop", &shop_target);
  const Fd client = front.connect();
  CHECK(ends_with_body(front.exchange(client, "GET /my%20shop/x?y HTTP/1.1\r\nHost: EXAMPLE.org.\r\n\r\n"),
                       "shop"));
  REQUIRE(shop.seen.size() == 1);
  CHECK(shop.seen[0].script_name == "/my shop");
  CHECK(shop.seen[0].path_info == "/x");
  CHECK(shop.seen[0].target == "/my%20shop/x?y");
  const std::string missing = front.exchange(client, "GET /else HTTP/1.1\r\nHost: example.org\r\n\r\n");
  CHECK(missing.starts_with("HTTP/1.1 404 Not Found\r\n"));
  CHECK_FALSE(front.closed);
}

TEST_CASE("an answer without a length is chunked for HTTP/1.1") {
  Front front;
  const Fd client = front.connect();
  front.write(client, kGet);
  front.pump();
  Call& call = *front.app.current;
  begin_answer(call, "one");
  call.client->on_chunk(call, "", End::no);
  call.client->on_chunk(call, "twelve bytes", End::no);
  call.client->on_chunk(call, "", End::yes);
  const std::string response = front.read(client);
  CHECK(count(response, "Transfer-Encoding: chunked\r\n") == 1);
  CHECK(ends_with_body(response, "3\r\none\r\nc\r\ntwelve bytes\r\n0\r\n\r\n"));
  front.app.on_submit = [](Call& next) { answer(next, "again"); };
  CHECK(ends_with_body(front.exchange(client, kGet), "again"));
}

TEST_CASE("an answer without a length ends an HTTP/1.0 connection") {
  Front front;
  const Fd client = front.connect();
  front.write(client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  front.pump();
  Call& call = *front.app.current;
  begin_answer(call, "one");
  call.client->on_chunk(call, "two", End::yes);
  front.pump();
  const std::string response = front.read(client);
  CHECK(count(response, "Transfer-Encoding") == 0);
  CHECK(count(response, "Connection: close\r\n") == 1);
  CHECK(ends_with_body(response, "onetwo"));
  CHECK(front.closed);
}

TEST_CASE("HTTP/1.0 is kept alive when it asks and the length is known") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "x"); };
  const Fd client = front.connect();
  const std::string response = front.exchange(client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(count(response, "Connection: keep-alive\r\n") == 1);
  CHECK_FALSE(front.closed);
  front.exchange(client, "GET / HTTP/1.0\r\n\r\n");
  CHECK(front.closed);
}

TEST_CASE("HEAD, 204, 205 and 304 have no body whatever the app gives") {
  Front front;
  std::uint16_t status = 200;
  front.app.on_submit = [&status](Call& call) { answer(call, "body", status); };
  const Fd client = front.connect();
  const std::string head = front.exchange(client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(count(head, "Content-Length: 4\r\n") == 1);
  CHECK(ends_with_body(head, ""));
  status = 204;
  const std::string no_content = front.exchange(client, kGet);
  CHECK(count(no_content, "Content-Length") == 0);
  CHECK(ends_with_body(no_content, ""));
  status = 205;
  const std::string reset = front.exchange(client, kGet);
  CHECK(count(reset, "Content-Length: 0\r\n") == 1);
  CHECK(count(reset, "Content-Length") == 1);
  CHECK(ends_with_body(reset, ""));
  status = 304;
  CHECK(ends_with_body(front.exchange(client, kGet), ""));
  CHECK_FALSE(front.closed);
}

TEST_CASE("a body longer than its Content-Length is cut to it, a shorter one ends the connection") {
  Front front;
  std::string body = "too long";
  front.app.on_submit = [&body](Call& call) {
    lane::Head head;
    head.status = 200;
    head.reason = "OK";
    head.header_text = "Content-Length: 5\r\n";
    head.flags = lane::kHasLength;
    head.length = 5;
    call.client->on_head(call, head, body, End::yes);
  };
  const Fd client = front.connect();
  CHECK(ends_with_body(front.exchange(client, kGet), "too l"));
  CHECK_FALSE(front.closed);
  body = "few";
  front.exchange(client, kGet);
  CHECK(front.closed);
  CHECK(front.server.counters().cut == 1);
}

TEST_CASE("a slow reader pauses the app above 1 MiB and resumes it below 256 KiB") {
  Front front;
  const Fd client = front.connect();
  front.write(client, kGet);
  front.pump();
  Call& call = *front.app.current;
  begin_answer(call, "");
  const std::string piece(64 * 1024, 'p');
  std::size_t given = 0;
  while (!front.app.paused && given < (8u << 20)) {
    call.client->on_chunk(call, piece, End::no);
    given += piece.size();
  }
  CHECK(front.app.paused);
  CHECK(given < (3u << 20));
  std::size_t got = 0;
  for (int i = 0; i < 1000 && front.app.paused; ++i) {
    got += front.read(client).size();
    front.pump();
  }
  CHECK_FALSE(front.app.paused);
  call.client->on_chunk(call, "", End::yes);
  for (int i = 0; i < 100; ++i) {
    got += front.read(client).size();
    front.pump(1);
  }
  CHECK(got > given);
  CHECK(front.app.cancelled == 0);
}

TEST_CASE("a half-closed client is answered, and its call is not cancelled") {
  Front front;
  const Fd client = front.connect();
  front.write(client, kGet);
  front.pump();
  ::shutdown(client.get(), SHUT_WR);
  front.pump();
  front.pass(Milliseconds(600));
  CHECK(front.app.cancelled == 0);
  answer(*front.app.current, "still here");
  front.pump();
  CHECK(ends_with_body(front.read(client), "still here"));
  CHECK(front.closed);
  CHECK(front.server.counters().open == 0);
}

TEST_CASE("pipelined requests before a half-close are all answered") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, call.head.target); };
  const Fd client = front.connect();
  front.write(client, kGet + kGet);
  ::shutdown(client.get(), SHUT_WR);
  front.pump();
  CHECK(count(front.read(client), "200 OK") == 2);
  CHECK(front.closed);
}

TEST_CASE("a client that goes away cancels its call once") {
  Front front;
  Fd client = front.connect();
  front.write(client, kGet);
  front.pump();
  REQUIRE(front.app.current != nullptr);
  client.reset();
  front.pump();
  CHECK(front.app.cancelled == 1);
  CHECK(front.server.counters().open == 0);
}

TEST_CASE("a client that goes away after its half-close is noticed by the sweep") {
  Front front;
  Fd client = front.connect();
  front.write(client, kGet);
  ::shutdown(client.get(), SHUT_WR);
  front.pump();
  CHECK(front.app.cancelled == 0);
  client.reset();
  front.pass(Milliseconds(600));
  CHECK(front.app.cancelled == 1);
}

TEST_CASE("a write to a client that has gone cancels the call, but not from inside its answer") {
  Front front;
  Fd client = front.connect();
  front.write(client, kGet);
  front.pump();
  Call& call = *front.app.current;
  begin_answer(call, "one");
  client.reset();
  call.client->on_chunk(call, "two", End::no);
  CHECK(front.app.cancelled == 0);
  call.client->on_chunk(call, "three", End::no);
  front.pump();
  CHECK(front.app.cancelled == 1);
}

TEST_CASE("a call that ends while its cancellation waits is not cancelled") {
  Front front;
  Fd client = front.connect();
  front.write(client, kGet);
  front.pump();
  Call& call = *front.app.current;
  begin_answer(call, "one");
  client.reset();
  call.client->on_chunk(call, "two", End::no);
  call.client->on_chunk(call, "three", End::yes);
  front.pump();
  CHECK(front.app.cancelled == 0);
  CHECK(front.server.counters().open == 0);
}

TEST_CASE("each failure has its page, and the connection lives on") {
  struct Expected {
    CallFailure failure;
    const char* status;
    const char* retry;
  };
  for (const Expected& one :
       {Expected{CallFailure::queue_full, "503", "Retry-After: 1\r\n"},
        Expected{CallFailure::queue_timeout, "503", "Retry-After: 1\r\n"},
        Expected{CallFailure::app_stopped, "503", "Retry-After: 5\r\n"},
        Expected{CallFailure::app_unavailable, "503", "Retry-After: 5\r\n"},
        Expected{CallFailure::app_error, "500", ""}, Expected{CallFailure::host_lost, "502", ""},
        Expected{CallFailure::call_timeout, "504", ""}}) {
    CAPTURE(one.status);
    Front front;
    front.app.on_submit = [&one](Call& call) {
      call.client->on_failure(call, one.failure, "Traceback: <secret>");
    };
    const Fd client = front.connect();
    const std::string response = front.exchange(client, kGet);
    CHECK(response.starts_with("HTTP/1.1 " + std::string(one.status)));
    CHECK(response.find(one.retry) != std::string::npos);
    CHECK(response.find("secret") == std::string::npos);
    CHECK_FALSE(front.closed);
  }
}

TEST_CASE("debug shows the traceback, escaped, for an app's error only") {
  Front front;
  front.target.debug = true;
  CallFailure failure = CallFailure::app_error;
  front.app.on_submit = [&failure](Call& call) { call.client->on_failure(call, failure, "File <x>"); };
  const Fd client = front.connect();
  CHECK(front.exchange(client, kGet).find("<pre>File &lt;x&gt;</pre>") != std::string::npos);
  failure = CallFailure::host_lost;
  CHECK(front.exchange(client, kGet).find("File") == std::string::npos);
}

TEST_CASE("a failure after the head cuts the connection without the last chunk") {
  Front front;
  const Fd client = front.connect();
  front.write(client, kGet);
  front.pump();
  Call& call = *front.app.current;
  begin_answer(call, "one");
  call.client->on_failure(call, CallFailure::app_error, "late");
  front.pump();
  const std::string response = front.read(client);
  CHECK(response.ends_with("3\r\none\r\n"));
  CHECK(front.closed);
  CHECK(front.app.cancelled == 0);
  CHECK(front.server.counters().cut == 1);
}

TEST_CASE("what follows a request with Connection: close is neither answered nor judged") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "last"); };
  const Fd client = front.connect();
  const std::string response =
      front.exchange(client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nJUNK\n\n" + kGet);
  CHECK(ends_with_body(response, "last"));
  CHECK(count(response, "HTTP/1.1 ") == 1);
  CHECK(front.closed);
  CHECK(front.app.seen.size() == 1);
}

TEST_CASE("OPTIONS * is answered by the daemon") {
  Front front;
  const Fd client = front.connect();
  CHECK(front.exchange(client, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
            .starts_with("HTTP/1.1 204 No Content\r\n"));
  CHECK(front.app.seen.empty());
  CHECK_FALSE(front.closed);
}
