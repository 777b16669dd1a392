#include "tests/unit/front/fixture.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace moult::test;

namespace {

const std::string kGet = "GET /a?b=c HTTP/1.1\r\nHost: Example.org:8080\r\nX-One: 1\r\n\r\n";

bool ends_with_body(const std::string& response, std::string_view body) {
  return response.ends_with("\r\n\r\n" + std::string(body));
}

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

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
  CHECK(seen.server_port == "8080");
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
