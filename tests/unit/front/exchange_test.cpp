#include "daemon/front/exchange.h"
#include "tests/unit/front/fixture.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace moult;
using namespace moult::test;

namespace {

// A wire that is no protocol: it keeps what it is to send.
struct ToyWire final : http::Exchange::Wire {
  void collect_body() override { collects = true; }
  void want_body() override { ++wanted; }
  void send_head(const lane::Head& head, std::string_view first, End end) override {
    status = head.status;
    send_body(first, end);
  }
  void send_body(std::string_view data, End end) override {
    body += data;
    ended = end == End::yes;
  }
  void send_file(http::FileRegion region, End end) override {
    file_length = region.length;
    ended = end == End::yes;
  }
  void cut_answer() override { cut = true; }

  bool collects = false;
  int wanted = 0;
  int status = 0;
  std::string body;
  std::uint64_t file_length = 0;
  bool ended = false;
  bool cut = false;
};

struct Toy {
  Toy() {
    target.calls = &app;
    target.app = "fake";
    target.max_body = 100;
    routes.add("", "/app", &target);
    shared.access_log = [this](const AccessRecord& record) {
      logged_status = record.status;
      logged_cut = record.cut;
    };
    head.method = "GET";
    head.target = "/app/x";
  }
  void begin(std::string_view path = "/app/x", http::Exchange::Body body = http::Exchange::Body::none) {
    exchange.open(head);
    exchange.begin({}, path, {}, body);
  }

  uv::Loop loop;
  Log log{Log::Format::human, LogLevel::error};
  CallNumbers numbers;
  http::FrontShared shared{loop, log, numbers};
  http::Peer peer;
  FakeApp app;
  RouteTarget target;
  Routes routes;
  http::RequestHead head;
  ToyWire wire;
  http::Exchange exchange{shared, wire, peer, routes};
  int logged_status = -1;
  bool logged_cut = false;
};

using Body = http::Exchange::Body;

}  // namespace

TEST_CASE("a request goes to its app and the answer to the wire, whatever the wire is") {
  Toy toy;
  toy.begin();
  REQUIRE(toy.app.seen.size() == 1);
  CHECK(toy.app.seen[0].script_name == "/app");
  CHECK(toy.app.seen[0].path_info == "/x");
  CHECK(toy.exchange.has_call());
  answer(*toy.app.current, "hello");
  CHECK(toy.wire.status == 200);
  CHECK(toy.wire.body == "hello");
  CHECK(toy.wire.ended);
  CHECK_FALSE(toy.exchange.has_call());
  toy.exchange.end(5, false);
  CHECK(toy.logged_status == 200);
  CHECK(toy.shared.counters.by_class[2] == 1);
}

TEST_CASE("what is routed nowhere is a 404 without a call") {
  Toy toy;
  toy.begin("/elsewhere");
  CHECK(toy.wire.status == 404);
  CHECK(toy.app.seen.empty());
}

TEST_CASE("a body that is said to be too large is refused before the app hears of it") {
  Toy toy;
  toy.head.content_length = 101;
  toy.begin("/app/x", Body::follows);
  CHECK(toy.wire.status == 413);
  CHECK(toy.exchange.is_refused());
  CHECK_FALSE(toy.wire.collects);
  CHECK(toy.app.seen.empty());
}

TEST_CASE("an app that was removed while the body came in is not called") {
  Toy toy;
  toy.head.content_length = 3;
  toy.begin("/app/x", Body::follows);
  CHECK(toy.wire.collects);
  toy.routes.remove(toy.target);
  toy.exchange.body_whole("abc");
  CHECK(toy.wire.status == 503);
  CHECK(toy.app.seen.empty());
}

TEST_CASE("a failure before the head is a page, and after it a cut") {
  const std::pair<CallFailure, int> pages[] = {
      {CallFailure::queue_full, 503}, {CallFailure::queue_timeout, 503},   {CallFailure::app_stopped, 503},
      {CallFailure::app_moving, 503}, {CallFailure::app_unavailable, 503}, {CallFailure::app_error, 500},
      {CallFailure::host_lost, 502},  {CallFailure::too_large, 431},       {CallFailure::call_timeout, 504},
  };
  for (const auto& [failure, status] : pages) {
    CAPTURE(status);
    Toy before;
    before.begin();
    before.exchange.on_failure(*before.app.current, failure, "the traceback");
    CHECK(before.wire.status == status);
    CHECK(before.wire.ended);
    CHECK(before.wire.body.find("the traceback") == std::string::npos);
    Toy after;
    after.begin();
    begin_answer(*after.app.current, "a piece");
    after.exchange.on_failure(*after.app.current, failure, {});
    CHECK(after.wire.cut);
    CHECK(after.wire.status == 200);
    CHECK_FALSE(after.exchange.has_call());
  }
}

TEST_CASE("a client that goes cancels the call later, and nothing more comes to its wire") {
  Toy toy;
  toy.begin();
  begin_answer(*toy.app.current, "a");
  toy.exchange.end(1, true);
  toy.exchange.leave();
  CHECK(toy.app.cancelled == 0);
  toy.exchange.on_chunk(*toy.app.current, "b", End::no);
  CHECK(toy.wire.body == "a");
  toy.exchange.cancel();
  CHECK(toy.app.cancelled == 1);
  CHECK(toy.logged_cut);
  toy.exchange.cancel();
  CHECK(toy.app.cancelled == 1);
}

TEST_CASE("an app rests while much waits for its client") {
  Toy toy;
  toy.begin();
  begin_answer(*toy.app.current, "a");
  toy.exchange.note_backlog(2u << 20, false);
  CHECK(toy.app.paused);
  toy.exchange.note_backlog(512 * 1024, false);
  CHECK(toy.app.paused);
  toy.exchange.note_backlog(1024, false);
  CHECK_FALSE(toy.app.paused);
}

TEST_CASE("a body that breaks off is the reason that the client reads when the app fails for it") {
  Toy toy;
  toy.begin("/app/x", Body::awaits_continue);
  toy.app.current->client->on_want_body(*toy.app.current);
  CHECK(toy.wire.wanted == 1);
  toy.exchange.break_body({408, "The request did not arrive in time."});
  toy.exchange.give_body({}, End::yes);
  CHECK(toy.app.body_broken);
  toy.exchange.on_failure(*toy.app.current, CallFailure::app_error, {});
  CHECK(toy.wire.status == 408);
}

TEST_CASE("a static file goes to the wire as a region, and one that is not there is a 404") {
  char folder[] = "/tmp/moult-exchange-XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  std::ofstream(std::string(folder) + "/a.txt") << "content";
  for (const auto& [path, status] : {std::pair("/app/s/a.txt", 200), std::pair("/app/s/none", 404)}) {
    Toy toy;
    toy.target.static_files["/s"] = folder;
    toy.begin(path);
    CHECK(toy.wire.status == 0);
    uv::Timer step(toy.loop);
    int rounds = 0;
    step.start_repeating(Milliseconds(1), [&] {
      if (toy.wire.ended || ++rounds > 10'000) toy.loop.stop();
    });
    toy.loop.run();
    CHECK(toy.wire.status == status);
    CHECK(toy.wire.file_length == (status == 200 ? 7 : 0));
    CHECK(toy.app.seen.empty());
  }
  std::filesystem::remove_all(folder);
}
