#include "daemon/serve/call_lanes.h"
#include "fixture.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <sys/mman.h>
#include <map>
#include <optional>

using namespace moult;
using namespace moult::test;

namespace {

using Json = nlohmann::json;

// The daemon's end of caller lanes, with apps that the test plays; it is the host as well.
class LaneBench final : public CallDirectory {
 public:
  CallTarget* find(const std::string& app) const override {
    const auto found = apps.find(app);
    return found == apps.end() ? nullptr : found->second;
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const auto& [name, app] : apps) all.push_back(name);
    return all;
  }

  Fd connect(int host = 1) {
    auto pair = seqpacket_pair();
    REQUIRE(pair);
    lanes.add(host, std::move(pair->theirs));
    return std::move(pair->ours);
  }
  void pump() {
    for (int round = 0; round < 4; ++round) {
      uv::Timer stop(loop);
      stop.start(Milliseconds(0), [&] { stop.start(Milliseconds(0), [this] { loop.stop(); }); });
      loop.run();
    }
  }

  struct Ask {
    std::uint64_t call = 1;
    std::string app = "shop";
    std::string body = "arguments";
    std::vector<lane::Header> headers{};
    std::uint8_t flags = lane::kCall;
  };
  void request(const Fd& fd, const Ask& ask) {
    lane::RequestHead head;
    head.call = ask.call;
    head.flags = ask.flags;
    head.method = "CALL";
    head.target = "total";
    head.script_name = "blog";
    head.path_info = ask.app;
    const std::size_t size = lane::encode_request(buffer, head, ask.headers, ask.body.size());
    REQUIRE(lane::send(fd.get(), {buffer.data(), size}, ask.body, lane::Wait::no) == lane::Sent::yes);
    pump();
  }
  void frame(const Fd& fd, lane::FrameType type, std::uint64_t call, std::string_view data = {},
             std::uint8_t flags = 0) {
    const std::size_t size = lane::encode_chunk_prefix(buffer, type, call, flags);
    REQUIRE(lane::send(fd.get(), {buffer.data(), size}, data, lane::Wait::no) == lane::Sent::yes);
    pump();
  }
  void value(Call& call, std::string_view body, End end = End::yes) {
    lane::Head head;
    head.call = call.head.call;
    head.status = 200;
    head.reason = "value";
    head.flags = end == End::yes ? lane::kEnd : 0;
    if (end == End::yes) call.target = nullptr;
    call.client->on_head(call, head, body, end);
  }
  void refuse(Call& call, CallFailure failure, std::string_view detail = {}) {
    call.target = nullptr;
    call.client->on_failure(call, failure, detail);
  }

  // What has come to the host: "head 1 value END:body", "chunk 1:data", "closed", "" for nothing.
  std::string take(const Fd& fd) {
    const lane::Received received = lane::receive(fd.get(), buffer, lane::Wait::no);
    if (received.would_block) return "";
    if (received.packet.empty()) return "closed";
    if (const auto head = lane::decode_head(received.packet); head) {
      return fmt::format("head {} {} {}{}:{}", head->call, head->status, head->reason,
                         (head->flags & lane::kEnd) != 0 ? " END" : "", head->body);
    }
    const auto chunk = lane::decode_chunk(received.packet);
    const bool wants = lane::frame_type(received.packet) == lane::FrameType::want_body;
    return fmt::format("{} {}{}:{}", wants ? "want_body" : "chunk", chunk->call,
                       (chunk->flags & lane::kEnd) != 0 ? " END" : "", chunk->data);
  }

  uv::Loop loop;
  Log log{Log::Format::human, LogLevel::error};
  FakeApp shop;
  std::map<std::string, CallTarget*> apps{{"shop", &shop}};
  CallNumbers numbers;
  std::vector<char> buffer = std::vector<char>(lane::kPacketMax);
  CallLanes lanes{loop, log, *this, numbers};
};

// As supervise does it: a call in flight knows its target.
void hold(LaneBench& bench) {
  bench.shop.on_submit = [&bench](Call& call) { call.target = &bench.shop; };
}

Json error_in(const std::string& frame) { return Json::parse(frame.substr(frame.find(':') + 1)); }

}  // namespace

TEST_CASE(
    "a call reaches the app that it names, with a number of the daemon's own, and its answer comes back") {
  LaneBench bench;
  hold(bench);
  const Fd host = bench.connect();
  bench.numbers.next();
  bench.request(host, {.call = 9, .headers = {{"depth", "2"}}});
  REQUIRE(bench.shop.seen.size() == 1);
  const FakeApp::Seen& seen = bench.shop.seen[0];
  CHECK(seen.target == "total");
  CHECK(seen.script_name == "blog");
  CHECK(seen.body == "arguments");
  CHECK(seen.flags == lane::kCall);
  REQUIRE(seen.headers.size() == 1);
  CHECK(seen.headers[0].second == "2");
  Call& call = *bench.shop.current;
  CHECK(call.head.call == 2);
  CHECK(call.deadline == SteadyTime::max());
  CHECK_FALSE(call.safe_to_retry);
  bench.value(call, "42");
  CHECK(bench.take(host) == "head 9 200 value END:42");
  bench.request(host, {.call = 10});
  CHECK(bench.shop.seen.size() == 2);
}

TEST_CASE("the deadline of a call is that of its caller's clock") {
  LaneBench bench;
  hold(bench);
  const Fd host = bench.connect();
  bench.request(host, {.headers = {{"deadline", "123456789"}}});
  CHECK(bench.shop.current->deadline.time_since_epoch() == std::chrono::nanoseconds(123456789));
}

TEST_CASE("an answer in pieces goes on in order") {
  LaneBench bench;
  hold(bench);
  const Fd host = bench.connect();
  bench.request(host, {});
  Call& call = *bench.shop.current;
  bench.value(call, "a", End::no);
  call.client->on_chunk(call, "b", End::no);
  call.target = nullptr;
  call.client->on_chunk(call, "c", End::yes);
  CHECK(bench.take(host) == "head 1 200 value:a");
  CHECK(bench.take(host) == "chunk 1:b");
  CHECK(bench.take(host) == "chunk 1 END:c");
}

TEST_CASE("arguments come piece by piece as they are asked for") {
  LaneBench bench;
  hold(bench);
  const Fd host = bench.connect();
  bench.request(host, {.body = "", .flags = lane::kCall | lane::kBodyStreams});
  Call& call = *bench.shop.current;
  for (const std::string piece : {"one", "two"}) {
    call.client->on_want_body(call);
    CHECK(bench.take(host) == "want_body 1:");
    bench.frame(host, lane::FrameType::body, 1, piece, piece == "two" ? lane::kEnd : 0);
  }
  CHECK(bench.shop.streamed == "onetwo");
  CHECK(bench.shop.body_ended);
}

TEST_CASE("a call of an app that is not there is answered with the nearest one that is") {
  LaneBench bench;
  const Fd host = bench.connect();
  bench.request(host, {.app = "shpo"});
  const std::string frame = bench.take(host);
  CHECK(frame.starts_with("head 1 404 no_such_app END:"));
  CHECK(error_in(frame)["type"] == "AppNotFound");
  CHECK(error_in(frame)["message"] == "there is no app \"shpo\"");
  CHECK(error_in(frame)["hint"] == "did you mean \"shop\"?");
}

TEST_CASE("what the daemon answers itself has a reason, a status and a type") {
  struct Row {
    CallFailure failure;
    const char* start;
    const char* type;
  };
  const Row rows[] = {
      {CallFailure::queue_full, "head 1 503 unavailable END:", "AppUnavailable"},
      {CallFailure::queue_timeout, "head 1 503 unavailable END:", "AppUnavailable"},
      {CallFailure::app_stopped, "head 1 503 unavailable END:", "AppUnavailable"},
      {CallFailure::app_unavailable, "head 1 503 unavailable END:", "AppUnavailable"},
      {CallFailure::host_lost, "head 1 502 host_lost END:", "HostLost"},
      {CallFailure::call_timeout, "head 1 504 timeout END:", "CallTimeout"},
  };
  for (const Row& row : rows) {
    LaneBench bench;
    // From inside submit, as a full queue does it.
    bench.shop.on_submit = [&](Call& call) { bench.refuse(call, row.failure); };
    const Fd host = bench.connect();
    bench.request(host, {});
    const std::string frame = bench.take(host);
    CHECK_MESSAGE(frame.starts_with(row.start), frame);
    CHECK(error_in(frame)["type"] == row.type);
    bench.request(host, {.call = 2});
    CHECK(bench.shop.seen.size() == 2);
  }
}

TEST_CASE("what failed in the app's interpreter arrives with its traceback, cut to what a packet holds") {
  LaneBench bench;
  hold(bench);
  const Fd host = bench.connect();
  bench.request(host, {});
  const std::string traceback = std::string(60'000, '\x01') + "\nMemoryError: no more\n";
  bench.refuse(*bench.shop.current, CallFailure::app_error, traceback);
  const std::string frame = bench.take(host);
  CHECK(frame.starts_with("head 1 500 raised END:"));
  const Json error = error_in(frame);
  CHECK(error["type"] == "InternalError");
  CHECK(error["message"] == "MemoryError: no more");
  CHECK(error["traceback"].get<std::string>().ends_with("MemoryError: no more\n"));
}

TEST_CASE("an answer that breaks off closes the lane: what was sent cannot be taken back") {
  LaneBench bench;
  hold(bench);
  const Fd host = bench.connect();
  bench.request(host, {});
  Call& call = *bench.shop.current;
  bench.value(call, "a", End::no);
  bench.refuse(call, CallFailure::host_lost);
  CHECK(bench.take(host) == "head 1 200 value:a");
  CHECK(bench.take(host) == "closed");
  bench.pump();
  CHECK(bench.lanes.open() == 0);
}

TEST_CASE("a caller that gives up cancels its call, and may make the next at once") {
  LaneBench bench;
  hold(bench);
  const Fd host = bench.connect();
  bench.request(host, {});
  bench.shop.current->client->on_want_body(*bench.shop.current);
  bench.frame(host, lane::FrameType::abort, 1);
  CHECK(bench.shop.cancelled == 1);
  CHECK(bench.take(host) == "want_body 1:");
  // Late for the first, and no fault.
  bench.frame(host, lane::FrameType::body, 1, "late");
  bench.frame(host, lane::FrameType::abort, 1);
  bench.request(host, {.call = 2});
  REQUIRE(bench.shop.seen.size() == 2);
  bench.value(*bench.shop.current, "42");
  CHECK(bench.take(host) == "head 2 200 value END:42");
  CHECK(bench.shop.cancelled == 1);
}

TEST_CASE("a host that closes a lane cancels the call on it") {
  LaneBench bench;
  hold(bench);
  {
    const Fd host = bench.connect();
    bench.request(host, {});
  }
  bench.pump();
  CHECK(bench.shop.cancelled == 1);
  CHECK(bench.lanes.open() == 0);
}

TEST_CASE("the end of a host closes its lanes and no others") {
  LaneBench bench;
  hold(bench);
  const Fd first = bench.connect(1);
  const Fd second = bench.connect(2);
  bench.request(first, {});
  bench.lanes.on_host_ended(1);
  bench.pump();
  CHECK(bench.shop.cancelled == 1);
  CHECK(bench.take(first) == "closed");
  CHECK(bench.take(second) == "");
  CHECK(bench.lanes.open() == 1);
}

TEST_CASE("a host may have many lanes, and not more") {
  LaneBench bench;
  std::vector<Fd> ends;
  for (std::size_t i = 0; i < CallLanes::kPerHost; ++i) ends.push_back(bench.connect(1));
  const Fd too_many = bench.connect(1);
  const Fd of_another = bench.connect(2);
  bench.pump();
  CHECK(bench.take(ends.back()) == "");
  CHECK(bench.take(too_many) == "closed");
  CHECK(bench.take(of_another) == "");
}

TEST_CASE("frames out of order close the lane") {
  LaneBench bench;
  hold(bench);
  const Fd host = bench.connect();
  SUBCASE("a call before the end of another") {
    bench.request(host, {});
    bench.request(host, {.call = 2});
    CHECK(bench.shop.cancelled == 1);
  }
  SUBCASE("a request that is no call") { bench.request(host, {.flags = 0}); }
  SUBCASE("arguments that were not asked for") {
    bench.request(host, {.flags = lane::kCall | lane::kBodyStreams});
    bench.frame(host, lane::FrameType::body, 1, "x");
  }
  SUBCASE("an answer from the host") { bench.frame(host, lane::FrameType::chunk, 1, "x"); }
  SUBCASE("a deadline that is no number") { bench.request(host, {.headers = {{"deadline", "soon"}}}); }
  SUBCASE("a packet that is no frame") {
    REQUIRE(lane::send(host.get(), "\x01", {}, lane::Wait::no) == lane::Sent::yes);
    bench.pump();
  }
  CHECK(bench.take(host) == "closed");
  CHECK(bench.lanes.open() == 0);
}

TEST_CASE("a host that does not read pauses the call, and nothing of the answer is lost") {
  LaneBench bench;
  hold(bench);
  const Fd host = bench.connect();
  bench.request(host, {});
  Call& call = *bench.shop.current;
  bench.value(call, "", End::no);
  const std::string piece(lane::kChunkMax, 'x');
  int sent = 0;
  while (!bench.shop.paused && sent < 1000) {
    call.client->on_chunk(call, piece, End::no);
    ++sent;
  }
  REQUIRE(bench.shop.paused);
  // What the worker had sent before it was told to wait.
  call.client->on_chunk(call, "last", End::no);
  CHECK(bench.take(host) == "head 1 200 value:");
  for (int i = 0; i < sent; ++i) {
    bench.pump();
    REQUIRE(bench.take(host).size() == std::string("chunk 1:").size() + piece.size());
  }
  bench.pump();
  CHECK(bench.take(host) == "chunk 1:last");
  CHECK_FALSE(bench.shop.paused);
}

TEST_CASE("a caller that gives up a paused call is told nothing more of it") {
  LaneBench bench;
  hold(bench);
  const Fd host = bench.connect();
  bench.request(host, {});
  Call& call = *bench.shop.current;
  bench.value(call, "", End::no);
  const std::string piece(lane::kChunkMax, 'x');
  while (!bench.shop.paused) call.client->on_chunk(call, piece, End::no);
  bench.frame(host, lane::FrameType::abort, 1);
  call.target = nullptr;
  std::string last;
  for (std::string next = bench.take(host); !next.empty(); next = bench.take(host)) last = next;
  bench.request(host, {.call = 2});
  bench.value(*bench.shop.current, "42");
  CHECK(bench.take(host) == "head 2 200 value END:42");
}

TEST_CASE("a caller lane that is no socket of packets is closed, not waited for") {
  LaneBench bench;
  bench.lanes.add(1, Fd(::memfd_create("no lane", MFD_CLOEXEC)));
  auto pipe = make_pipe();
  REQUIRE(pipe);
  bench.lanes.add(1, std::move(pipe->read));
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  const Fd other(pair[0]);
  bench.lanes.add(1, Fd(pair[1]));
  bench.lanes.add(1, Fd());
  CHECK(bench.lanes.open() == 0);
}

TEST_CASE("an error fits a packet whatever its text is") {
  const CallError error = error_of(CallFailure::app_error, "shop", std::string(100'000, '\x01'));
  CHECK(encode(error).size() < lane::kPacketMax - 1000);
}

TEST_CASE("an error of a worker is read back, and one that cannot be read is one too") {
  const CallError error = decode_call_error(
      "payload",
      R"({"type": "PayloadError", "message": "a lock", "traceback": "", "path": "argument 'x'[2]"})");
  CHECK(error.reason == "payload");
  CHECK(error.type == "PayloadError");
  CHECK(error.message == "a lock (argument 'x'[2])");
  CHECK(decode_call_error("raised", "[]").type == "InternalError");
  CHECK(decode_call_error("raised", "{").message == "the answer was \"raised\" without a description");
}
