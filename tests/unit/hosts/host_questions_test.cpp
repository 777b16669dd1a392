#include "tests/unit/hosts/host_bench.h"

using namespace moult;
using namespace moult::test;

namespace {

// What came of a question, when it came.
template <typename Event>
struct Told {
  Host::Answer<Event> note() {
    return [this](Result<Event> result) { answers.push_back(std::move(result)); };
  }
  std::vector<Result<Event>> answers;
};

}  // namespace

TEST_CASE("a host is told its routes and what to drain, in order") {
  HostBench bench;
  Host& host = bench.start_host();
  host.route("shop", {3, 4});
  host.drain(2);
  CHECK(bench.command_for(host).json == Json{{"do", "route"}, {"app", "shop"}, {"interps", {3, 4}}});
  CHECK(bench.command_for(host).json == Json{{"do", "drain"}, {"interp", 2}});
}

TEST_CASE("each question gets the answer that carries its number") {
  HostBench bench;
  Host& host = bench.start_host();
  Told<CallsEvent> calls;
  Told<StackEvent> stack;
  Told<KilledEvent> kill;
  host.ask_calls(calls.note());
  host.ask_stack({.interp = 7, .worker = 1}, stack.note());
  host.ask_kill("h1-12", kill.note());
  const Json first = bench.command_for(host).json;
  const Json second = bench.command_for(host).json;
  const Json third = bench.command_for(host).json;
  CHECK(first["do"] == "calls");
  CHECK(second["do"] == "stack");
  CHECK(second["worker"] == 1);
  CHECK(third["call"] == "h1-12");
  bench.part(host).send({{"event", "killed"}, {"ask", third["ask"]}, {"found", true}});
  bench.part(host).send({{"event", "stack"}, {"interp", 7}, {"ask", second["ask"]}, {"text", "Thread"}});
  bench.part(host).send({{"event", "calls"}, {"ask", first["ask"]}, {"calls", {{{"call", "h1-1"}}}}});
  bench.pump_until([&] { return !calls.answers.empty(); });
  REQUIRE(kill.answers.size() == 1);
  CHECK(kill.answers[0]->found);
  REQUIRE(stack.answers.size() == 1);
  CHECK(stack.answers[0]->text == "Thread");
  CHECK(calls.answers[0]->calls.at(0).call == "h1-1");
}

TEST_CASE("a second answer, and one to what nobody asked, find nobody") {
  HostBench bench;
  Host& host = bench.start_host();
  Told<CallsEvent> told;
  host.ask_calls(told.note());
  const Json ask = bench.command_for(host).json["ask"];
  for (int i = 0; i < 2; ++i) bench.part(host).send({{"event", "calls"}, {"ask", ask}});
  bench.part(host).send({{"event", "killed"}, {"ask", 99}});
  bench.pump_until([&] { return !told.answers.empty(); });
  bench.pump();
  CHECK(told.answers.size() == 1);
}

TEST_CASE("the parts of a long answer are put together in their order") {
  HostBench bench;
  Host& host = bench.start_host();
  Told<ImportsEvent> told;
  host.ask_imports(7, told.note());
  const Json command = bench.command_for(host).json;
  CHECK(command == Json{{"do", "imports"}, {"ask", command["ask"]}, {"interp", 7}});
  const auto part = [&](const std::string& module, bool more) {
    bench.part(host).send({{"event", "imports"},
                           {"ask", command["ask"]},
                           {"modules", {{{"module", module}, {"seconds", 0.5}, {"own_seconds", -1}}}},
                           {"more", more},
                           {"left_out", 3}});
  };
  part("a", true);
  part("b", true);
  part("c", false);
  part("late", false);
  bench.pump_until([&] { return !told.answers.empty(); });
  REQUIRE(told.answers.size() == 1);
  const auto& imports = told.answers[0]->modules;
  REQUIRE(imports.size() == 3);
  CHECK(imports[0].module + imports[1].module + imports[2].module == "abc");
  CHECK(imports[2].seconds == 0.5);
  CHECK(imports[2].own_seconds == -1);
  CHECK(told.answers[0]->left_out == 3);
}

TEST_CASE("questions to a host that ends are answered with its end") {
  HostBench bench;
  Host& host = bench.start_host();
  Told<CallsEvent> told;
  host.ask_calls(told.note());
  bench.part(host).exit(3);
  bench.pump_until([&] { return !bench.ends.empty(); });
  REQUIRE(told.answers.size() == 1);
  CHECK(told.answers[0].error().message == "host 1 exited with status 3");
  host.ask_calls(told.note());
  REQUIRE(told.answers.size() == 2);
  CHECK_FALSE(told.answers[1]);
}

TEST_CASE("a host that owes very many answers is asked no more") {
  HostBench bench;
  Host& host = bench.start_host();
  Told<CallsEvent> told;
  for (int i = 0; i < 256; ++i) host.ask_calls(told.note());
  CHECK(told.answers.empty());
  host.ask_calls(told.note());
  REQUIRE(told.answers.size() == 1);
  CHECK_FALSE(told.answers[0]);
}

TEST_CASE("a caller lane arrives open, and one that lost its descriptor on the way is none") {
  HostBench bench;
  Host& host = bench.start_host();
  auto pair = seqpacket_pair();
  REQUIRE(pair);
  bench.part(host).send({{"event", "caller"}, {"interp", 4}});
  bench.part(host).send_with({{"event", "caller"}, {"interp", 5}}, pair->theirs);
  bench.pump_until([&] { return !bench.callers.empty(); });
  bench.pump();
  REQUIRE(bench.callers.size() == 1);
  CHECK(bench.callers[0].first == 5);
  CHECK(lane::send(pair->ours.get(), "hello", {}, lane::Wait::no) == lane::Sent::yes);
  std::vector<char> buffer(lane::kPacketMax);
  CHECK(lane::receive(bench.callers[0].second.get(), buffer, lane::Wait::no).packet == "hello");
}

TEST_CASE("a descriptor that comes with another event is closed") {
  HostBench bench;
  Host& host = bench.start_host();
  auto pair = seqpacket_pair();
  REQUIRE(pair);
  bench.part(host).send_with({{"event", "notice"}, {"text", "x"}}, pair->theirs);
  pair->theirs.reset();
  std::vector<char> buffer(lane::kPacketMax);
  bench.pump_until([&] { return !lane::receive(pair->ours.get(), buffer, lane::Wait::no).would_block; });
}

TEST_CASE("an answer of another kind is an error for who asked, not an empty answer") {
  HostBench bench;
  Host& host = bench.start_host();
  Told<KilledEvent> told;
  host.ask_kill("h1-12", told.note());
  const Json ask = bench.command_for(host).json["ask"];
  bench.part(host).send({{"event", "stack"}, {"ask", ask}, {"text", "Thread"}});
  bench.pump_until([&] { return !told.answers.empty(); });
  REQUIRE_FALSE(told.answers[0]);
  CHECK(told.answers[0].error().message == "a host answered with no \"killed\"");
}
