#include "daemon/serve/script_call.h"

#include <doctest/doctest.h>

#include <cstring>
#include <optional>

using namespace moult;

namespace {

// An app that the test plays: it keeps the call, as a worker does.
struct FakeTarget final : CallTarget {
  void submit(Call& call) override {
    call.target = this;
    call.generation = 3;
    current = &call;
  }
  void cancel(Call& call) override {
    call.target = nullptr;
    ++cancelled;
  }
  void send_body(Call&, std::string_view piece, End end, bool) override {
    pieces.emplace_back(piece);
    ended = end == End::yes;
  }
  void pause(Call&) override {}
  void resume(Call&) override {}

  void answer(std::string_view reason, std::string_view body, End end = End::yes) {
    lane::Head head;
    head.reason = reason;
    Call& call = *current;
    if (end == End::yes) call.target = nullptr;
    call.client->on_head(call, head, body, end);
  }
  void chunk(std::string_view data, End end) {
    Call& call = *current;
    if (end == End::yes) call.target = nullptr;
    call.client->on_chunk(call, data, end);
  }

  Call* current = nullptr;
  int cancelled = 0;
  std::vector<std::string> pieces;
  bool ended = false;
};

struct Bench {
  FakeTarget target;
  std::optional<ScriptOutcome> outcome;
  int answers = 0;
  std::unique_ptr<ScriptCall> call;

  explicit Bench(std::string arguments = "[7]", SteadyTime deadline = SteadyTime::max()) {
    call = std::make_unique<ScriptCall>(9, ScriptCall::Order{"shop", "total", std::move(arguments), deadline},
                                        [this](ScriptOutcome result) {
                                          outcome = std::move(result);
                                          ++answers;
                                        });
    call->start(target);
  }
};

std::string item(char kind, std::string_view bytes) {
  std::string text(5, '\0');
  const auto size = static_cast<std::uint32_t>(bytes.size());
  std::memcpy(text.data(), &size, sizeof size);
  text[4] = kind;
  return text.append(bytes);
}

}  // namespace

TEST_CASE("a call of the control socket asks for JSON and tells its deadline") {
  Bench bench("[7]", SteadyTime(std::chrono::nanoseconds(1234)));
  const Call& call = *bench.target.current;
  CHECK(call.head.call == 9);
  CHECK(call.head.flags == lane::kCall);
  CHECK(call.head.target == "total");
  CHECK(call.head.path_info == "shop");
  CHECK(call.head.script_name.empty());
  CHECK(call.body == "[7]");
  REQUIRE(call.headers.size() == 2);
  CHECK(call.headers[0].name == "codec");
  CHECK(call.headers[0].value == "json");
  CHECK(call.headers[1].name == "deadline");
  CHECK(call.headers[1].value == "1234");
  CHECK(call.deadline.time_since_epoch() == std::chrono::nanoseconds(1234));
}

TEST_CASE("the result is the answer's body, in one piece or in several") {
  Bench whole;
  whole.target.answer("value", "[1, 2]");
  CHECK(whole.outcome->result == "[1, 2]");
  CHECK_FALSE(whole.outcome->error);
  CHECK(whole.outcome->generation == 3);
  Bench parts;
  parts.target.answer("value", "[1,", End::no);
  CHECK(parts.answers == 0);
  parts.target.chunk(" 2", End::no);
  parts.target.chunk("]", End::yes);
  CHECK(parts.outcome->result == "[1, 2]");
  CHECK(parts.call->is_over());
}

TEST_CASE("an error of the function is told with its type and traceback") {
  Bench bench;
  bench.target.answer("raised", R"({"type": "ValueError", "message": "no", "traceback": "Traceback"})");
  REQUIRE(bench.outcome->error);
  CHECK(bench.outcome->error->reason == "raised");
  CHECK(bench.outcome->error->type == "ValueError");
  CHECK(bench.outcome->error->traceback == "Traceback");
  CHECK_FALSE(bench.outcome->failure);
}

TEST_CASE("what the daemon answers itself is told apart") {
  Bench bench;
  bench.target.current->target = nullptr;
  bench.call->on_failure(*bench.target.current, CallFailure::app_stopped, {});
  CHECK(bench.outcome->failure == CallFailure::app_stopped);
  CHECK(bench.outcome->error->message == "shop is stopped");
}

TEST_CASE("large arguments go piece by piece and arrive whole") {
  const std::string arguments = "[\"" + std::string(150'000, 'x') + "\"]";
  Bench bench(arguments);
  CHECK((bench.target.current->head.flags & lane::kBodyStreams) != 0);
  CHECK(bench.target.current->head.content_length == arguments.size());
  CHECK(bench.target.current->body.empty());
  std::string all;
  while (!bench.target.ended) {
    bench.call->on_want_body(*bench.target.current);
    REQUIRE(bench.target.pieces.back().size() <= lane::kChunkMax);
    all += bench.target.pieces.back();
  }
  CHECK(all == arguments);
}

TEST_CASE("a result without an end is given up at its limit") {
  Bench bench;
  bench.target.answer("stream", "", End::no);
  const std::string piece(lane::kChunkMax, 'x');
  for (std::size_t sent = 0; sent < ScriptCall::kResultMax; sent += piece.size())
    bench.target.chunk(piece, End::no);
  CHECK(bench.answers == 0);
  bench.target.chunk("x", End::no);
  CHECK(bench.outcome->error->reason == "too_large");
  CHECK(bench.target.cancelled == 1);
  bench.target.chunk("x", End::yes);
  CHECK(bench.answers == 1);
}

TEST_CASE("a call that is destroyed is cancelled and says nothing") {
  Bench bench;
  bench.call.reset();
  CHECK(bench.target.cancelled == 1);
  CHECK(bench.answers == 0);
}

TEST_CASE("the items of a stream become a list") {
  CHECK(read_stream("").list == "[]");
  CHECK(read_stream(item('v', "1") + item('v', "\"a\"") + item('v', "")).list == "[1,\"a\",]");
  const StreamItems raised =
      read_stream(item('v', "1") + item('e', "raised\n{\"type\": \"KeyError\", \"message\": \"k\"}"));
  CHECK(raised.error->reason == "raised");
  CHECK(raised.error->type == "KeyError");
  for (const char* odd : {"", "raised", "raised\n", "\n"}) CHECK(read_stream(item('e', odd)).error);
}

TEST_CASE("a stream that breaks off in an item is an error") {
  const std::string whole = item('v', "123456");
  for (std::size_t size = 1; size < whole.size(); ++size) CHECK(read_stream(whole.substr(0, size)).error);
  std::string endless = whole;
  std::memset(endless.data(), 0xFF, 4);
  CHECK(read_stream(endless).error);
}

TEST_CASE("calls of scripts have numbers of their own and are forgotten when they are over") {
  uv::Loop loop;
  CallNumbers numbers;
  ScriptCalls calls(loop, numbers);
  FakeTarget first, second;
  int answers = 0;
  const auto count = [&](const ScriptOutcome&) { ++answers; };
  const std::uint64_t one = calls.call(first, {"shop", "a", "[]"}, count);
  const std::uint64_t two = calls.call(second, {"shop", "b", "[]"}, count);
  CHECK(one != two);
  calls.cancel(one);
  CHECK(first.cancelled == 1);
  second.answer("value", "1");
  CHECK(answers == 1);
  calls.cancel(two);
  CHECK(second.cancelled == 0);
}
