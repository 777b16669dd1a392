#include "tests/unit/front/cgi_wire.h"
#include "tests/unit/front/fixture.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <random>

using namespace moult;
using namespace moult::test;

// Requests of front servers that tell them by variables, from the bytes to the app and back.

namespace {

Pairs get(const std::string& uri = "/a?b=c") {
  return {
      {"CONTENT_LENGTH", ""}, {"REQUEST_METHOD", "GET"}, {"REQUEST_URI", uri}, {"HTTP_HOST", "example.org"}};
}
Pairs post(const std::string& length) {
  return {{"CONTENT_LENGTH", length}, {"REQUEST_METHOD", "POST"}, {"REQUEST_URI", "/up"}, {"HTTP_HOST", "x"}};
}

}  // namespace

TEST_CASE("each wire brings a request to its app, and the answer back") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, "served"); };
  Pairs pairs = get();
  pairs.insert(
      pairs.end(),
      {{"REMOTE_ADDR", "10.1.2.3"}, {"SERVER_PORT", "443"}, {"HTTPS", "on"}, {"AUTH_TYPE", "Basic"}});
  const Fd fcgi = front.connect_front(Wire::fcgi);
  const FcgiAnswer records = read_fcgi(front.exchange(fcgi, fcgi_request(pairs)));
  CHECK(records.stdout_text ==
        "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nserved");
  CHECK(records.ends == 1);
  CHECK(front.closed);
  const Fd scgi = front.connect_front(Wire::scgi);
  CHECK(front.exchange(scgi, scgi_request(pairs)) == records.stdout_text);
  CHECK(front.closed);
  const Fd uwsgi = front.connect_front(Wire::uwsgi);
  CHECK(front.exchange(uwsgi, uwsgi_request(pairs)).starts_with("HTTP/1.1 200 OK\r\nContent-Type"));
  REQUIRE(front.app.seen.size() == 3);
  for (const FakeApp::Seen& seen : front.app.seen) {
    CHECK(seen.method == "GET");
    CHECK(seen.path_info == "/a");
    CHECK(seen.query == "b=c");
    CHECK(seen.remote_addr == "10.1.2.3");
    CHECK(seen.server_port == "443");
    CHECK(seen.flags == (lane::kHttps));
    CHECK(std::find(seen.headers.begin(), seen.headers.end(),
                    std::pair<std::string, std::string>("=AUTH_TYPE", "Basic")) != seen.headers.end());
  }
}

TEST_CASE("a FastCGI connection that is kept serves one request after the other") {
  Front front;
  front.app.on_submit = [](Call& call) { answer(call, call.head.path_info); };
  const Fd client = front.connect_front(Wire::fcgi);
  for (const std::string path : {"/one", "/two", "/three"}) {
    const FcgiAnswer answer = read_fcgi(front.exchange(client, fcgi_request(get(path), {}, true)));
    CHECK(answer.stdout_text.ends_with("\r\n\r\n" + path));
    CHECK(answer.ends == 1);
    CHECK_FALSE(front.closed);
  }
}

TEST_CASE("bodies: whole, with none, without a length, and large ones as they come") {
  Front front;
  front.app.on_submit = [](Call& call) {
    (call.head.flags & lane::kBodyStreams) != 0 ? call.client->on_want_body(call) : answer(call, "whole");
  };
  front.app.on_body = [&](Call& call) {
    front.app.body_ended ? answer(call, "streamed") : call.client->on_want_body(call);
  };
  const Fd client = front.connect_front(Wire::fcgi);
  for (const std::size_t size : {0u, 1u, 65'535u, 65'536u, 65'537u, 1'000'000u}) {
    for (const bool has_length : {true, false}) {
      front.app.streamed.clear();
      front.app.seen.clear();
      const std::string body(size, 'b');
      std::string request = fcgi_request(post(has_length ? std::to_string(size) : ""), body, true);
      std::string answer;
      for (std::string_view rest = request; !rest.empty();) {
        const ssize_t taken =
            ::send(client.get(), rest.data(), std::min<std::size_t>(rest.size(), 30'000), MSG_NOSIGNAL);
        if (taken > 0) rest.remove_prefix(static_cast<std::size_t>(taken));
        front.pump(1);
        answer += front.read_now(client);
      }
      front.pump();
      answer += front.read(client);
      CAPTURE(size);
      REQUIRE(front.app.seen.size() == 1);
      CHECK(read_fcgi(answer).ends == 1);
      CHECK(front.app.seen[0].body.size() + front.app.streamed.size() == size);
      CHECK(((front.app.seen[0].flags & lane::kBodyChunked) != 0) == !has_length);
    }
  }
}

TEST_CASE("a body larger than the app takes is refused, whether its length was told or not") {
  Front front;
  front.target.max_body = 100'000;
  const Fd told = front.connect_front(Wire::fcgi);
  CHECK(read_fcgi(front.exchange(told, fcgi_request(post("200000"), "beginning")))
            .stdout_text.starts_with("Status: 413"));
  const Fd untold = front.connect_front(Wire::fcgi);
  bool broken = false;
  front.app.on_submit = [](Call& call) { call.client->on_want_body(call); };
  front.app.on_body = [&](Call& call) {
    broken = front.app.body_broken;
    if (!broken) return call.client->on_want_body(call);
    call.client->on_failure(call, CallFailure::app_error, "");
  };
  std::string answer;
  const std::string request = fcgi_request(post(""), std::string(200'000, 'b'));
  for (std::string_view rest = request; !rest.empty();) {
    const ssize_t taken =
        ::send(untold.get(), rest.data(), std::min<std::size_t>(rest.size(), 30'000), MSG_NOSIGNAL);
    if (taken <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(taken));
    front.pump(1);
    answer += front.read_now(untold);
  }
  front.pump();
  answer += front.read(untold);
  CHECK(broken);
  CHECK(read_fcgi(answer).stdout_text.starts_with("Status: 413"));
}

TEST_CASE("an answer in pieces, one without a body, and one that is not whole") {
  Front front;
  const Fd client = front.connect_front(Wire::fcgi);
  front.exchange(client, fcgi_request(get(), {}, true));
  begin_answer(*front.app.current, "first ");
  front.pump();
  CHECK(read_fcgi(front.read(client)).stdout_text ==
        "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nfirst ");
  front.app.current->client->on_chunk(*front.app.current, "last", End::yes);
  front.pump();
  const FcgiAnswer rest = read_fcgi(front.read(client));
  CHECK(rest.stdout_text == "last");
  CHECK(rest.ends == 1);
  Pairs head = get();
  head[1].second = "HEAD";
  front.exchange(client, fcgi_request(head, {}, true));
  answer(*front.app.current, "nobody gets it");
  front.pump();
  const FcgiAnswer bodiless = read_fcgi(front.read(client));
  CHECK(bodiless.stdout_text.ends_with("Content-Length: 14\r\n\r\n"));
  CHECK(bodiless.ends == 1);
  front.exchange(client, fcgi_request(get(), {}, true));
  begin_answer(*front.app.current, "first ");
  front.app.current->client->on_failure(*front.app.current, CallFailure::app_error, "");
  front.pump();
  CHECK(read_fcgi(front.read(client)).ends == 0);
  CHECK(front.closed);
}

TEST_CASE("the front server's own headers are no app's to give") {
  Front front;
  front.app.on_submit = [](Call& call) {
    lane::Head head;
    head.status = 200;
    head.reason = "OK";
    head.header_text =
        "X-Sendfile: /etc/passwd\r\nX-Accel-Redirect: /x\r\nx-accel-buffering: no\r\nX-Mine: 1\r\n";
    call.client->on_head(call, head, "", End::yes);
  };
  const Fd client = front.connect_front(Wire::scgi);
  CHECK(front.exchange(client, scgi_request(get())) ==
        "Status: 200 OK\r\nX-Mine: 1\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("a file goes out in records, or as it is") {
  Front front;
  const std::string path = "/tmp/moult-cgi-file-" + std::to_string(::getpid());
  const std::string content(2'000'001, 'f');
  const auto give = [&](Call& call) {
    Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    REQUIRE(::write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
    ::unlink(path.c_str());
    lane::Head head;
    head.status = 200;
    head.reason = "OK";
    head.header_text = "Content-Length: 2000001\r\n";
    head.flags = lane::kHasLength;
    head.length = content.size();
    call.client->on_head(call, head, "", End::no);
    call.client->on_file(call, std::move(file), 0, content.size(), End::yes);
  };
  front.app.on_submit = give;
  for (const Wire wire : {Wire::fcgi, Wire::scgi}) {
    const Fd client = front.connect_front(wire);
    std::string bytes;
    Front::write(client, wire == Wire::fcgi ? fcgi_request(get()) : scgi_request(get()));
    front.pump_until([&] {
      bytes += front.read_now(client);
      return front.closed;
    });
    const std::string text = wire == Wire::fcgi ? read_fcgi(bytes).stdout_text : bytes;
    CHECK(text == "Status: 200 OK\r\nContent-Length: 2000001\r\n\r\n" + content);
    CHECK((wire != Wire::fcgi || read_fcgi(bytes).ends == 1));
  }
}

TEST_CASE("who goes is told to the app: by an abort, and by closing") {
  Front front;
  const Fd client = front.connect_front(Wire::fcgi);
  front.exchange(client, fcgi_request(get(), {}, true));
  REQUIRE(front.app.current != nullptr);
  const FcgiAnswer aborted = read_fcgi(front.exchange(client, fcgi_record(2, 1, "")));
  CHECK(front.app.cancelled == 1);
  CHECK(aborted.ends == 1);
  front.app.on_submit = [](Call& call) { answer(call, "again"); };
  CHECK(read_fcgi(front.exchange(client, fcgi_request(get(), {}, true))).stdout_text.ends_with("again"));
  front.app.on_submit = nullptr;
  Fd second = front.connect_front(Wire::uwsgi);
  front.exchange(second, uwsgi_request(get()));
  second.reset();
  front.pump();
  CHECK(front.app.cancelled == 2);
}

TEST_CASE("what cannot be understood is answered where that is possible, and ends") {
  Front front;
  const Fd large = front.connect_front(Wire::fcgi);
  Pairs pairs = get();
  pairs.emplace_back("HTTP_X", std::string(70'000, 'x'));
  const FcgiAnswer answer = read_fcgi(front.exchange(large, fcgi_request(pairs, {}, true)));
  CHECK(answer.stdout_text.starts_with("Status: 431"));
  const Fd garbage = front.connect_front(Wire::scgi);
  CHECK(front.exchange(garbage, "GET / HTTP/1.1\r\n\r\n").starts_with("Status: 400"));
  CHECK(front.app.seen.empty());
}

TEST_CASE("deadlines: of variables that do not come, of a body, of a connection that is kept") {
  DaemonConfig config;
  Front front(config);
  const Fd slow = front.connect_front(Wire::fcgi);
  front.exchange(slow, fcgi_begin(1, true));
  const Fd kept = front.connect_front(Wire::fcgi);
  front.app.on_submit = [](Call& call) { answer(call, "x"); };
  front.exchange(kept, fcgi_request(get(), {}, true));
  const Fd body = front.connect_front(Wire::fcgi);
  front.exchange(body,
                 fcgi_begin(1, false) + fcgi_stream(4, 1, fcgi_pairs(post("10"))) + fcgi_record(5, 1, "abc"));
  front.pass(config.header_timeout + Milliseconds(1));
  front.read(slow);
  CHECK(front.closed);
  front.pass(config.body_timeout + Milliseconds(1));
  CHECK(read_fcgi(front.read(body)).stdout_text.starts_with("Status: 408"));
  front.pass(config.idle_timeout + Milliseconds(1));
  front.read(kept);
  CHECK(front.closed);
}

TEST_CASE("whatever bytes a front server sends, nothing ends but its connection") {
  std::mt19937 random(11);
  Front front;
  front.app.on_submit = [](Call& call) {
    (call.head.flags & lane::kBodyStreams) != 0 ? call.client->on_want_body(call) : answer(call, "x");
  };
  front.app.on_body = [&](Call& call) {
    front.app.body_ended ? answer(call, "y") : call.client->on_want_body(call);
  };
  const std::string seeds[] = {
      fcgi_request(post("5"), "hello", true) + fcgi_record(2, 1, "") + fcgi_request(get(), {}, true),
      scgi_request(post("5"), "hello"), uwsgi_request(post("5"), "hello")};
  const Wire wires[] = {Wire::fcgi, Wire::scgi, Wire::uwsgi};
  for (int round = 0; round < 600; ++round) {
    const std::size_t wire = random() % 3;
    std::string bytes = seeds[wire];
    for (unsigned flips = random() % 4; flips > 0; --flips)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    const Fd client = front.connect_front(wires[wire]);
    for (std::string_view rest = bytes; !rest.empty();) {
      const ssize_t taken = ::send(client.get(), rest.data(),
                                   std::min<std::size_t>(rest.size(), 1 + random() % 90), MSG_NOSIGNAL);
      if (taken <= 0) break;
      rest.remove_prefix(static_cast<std::size_t>(taken));
      front.pump(1);
    }
    front.read_now(client);
  }
  CHECK(front.app.seen.size() > 100);
}
