#include "daemon/apps/call_routes.h"
#include "tests/unit/serve/generation_bench.h"

using namespace moult;
using namespace moult::test;

namespace {

Json drain_of(std::uint64_t interp) { return Json{{"do", "drain"}, {"interp", interp}}; }

HostKey key_of_own_process() {
  HostKey key = HostBench::key();
  key.mode = InterpreterMode::main;
  return key;
}

}  // namespace

TEST_CASE("a generation that exports functions drains until its host says that the last call has left") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = *bench.serve(host, 1, 2).generation;
  generation.replace();
  CHECK(bench.command_for(host).json == drain_of(1));
  CHECK(generation.in_flight() == 1);
  CHECK(bench.told.back() == "made");
  bench.part(host).send({{"event", "drained"}, {"interp", 1}});
  bench.pump_until([&] { return generation.in_flight() == 0; });
  CHECK(bench.told.back() == "idle");
}

TEST_CASE("a generation that exports nothing drains at once") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = *bench.serve(host, 1).generation;
  generation.replace();
  CHECK(generation.in_flight() == 0);
  bench.pump();
  CHECK_FALSE(bench.part(host).take());
}

TEST_CASE("an app in a process of its own has no neighbours to wait for") {
  GenerationBench bench;
  Host& host = bench.start_host(key_of_own_process());
  Generation& generation = *bench.serve(host, 1, 2).generation;
  generation.replace();
  CHECK(generation.in_flight() == 0);
}

TEST_CASE("a function that was exported late holds the drain too") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = *bench.serve(host, 1).generation;
  SUBCASE("before it began") {
    bench.part(host).send({{"event", "exported"}, {"interp", 1}});
    bench.pump();
    generation.replace();
  }
  SUBCASE("while it waits for a worker") {
    TestCall call(1);
    bench.submit(call);
    generation.replace();
    bench.part(host).send({{"event", "exported"}, {"interp", 1}});
    bench.pump_until([&] { return generation.in_flight() == 2; });
    bench.served[0].lanes[0].take_request();
    bench.served[0].lanes[0].answer(1, "");
    bench.pump_until([&] { return call.ends == 1; });
  }
  CHECK(bench.command_for(host).json == drain_of(1));
  CHECK(generation.in_flight() == 1);
}

TEST_CASE("a standby that serves again drains anew when it is replaced again") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = *bench.serve(host, 1, 1).generation;
  for (int round = 0; round < 2; ++round) {
    generation.replace();
    CHECK(bench.command_for(host).json == drain_of(1));
    bench.part(host).send({{"event", "drained"}, {"interp", 1}});
    bench.pump_until([&] { return generation.in_flight() == 0; });
    generation.keep_as_standby();
    generation.activate();
    CHECK(generation.in_flight() == 0);
  }
}

TEST_CASE("the end of a drain does not wait for a host, and its generation is not kept") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = *bench.serve(host, 1, 1).generation;
  generation.replace();
  generation.interrupt_calls(Steady::now(), Steady::now() - Milliseconds(1));
  CHECK(generation.in_flight() == 1);
  CHECK_FALSE(generation.has_stuck_worker());
  generation.interrupt_calls(Steady::now(), SteadyTime::max());
  CHECK(generation.in_flight() == 0);
  CHECK(generation.has_stuck_worker());
}

TEST_CASE("a host that dies is waited for no longer") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = *bench.serve(host, 1, 1).generation;
  generation.replace();
  host.kill();
  bench.pump_until([&] { return !bench.ends.empty(); });
  CHECK(generation.in_flight() == 0);
}

TEST_CASE("calls of an app are led to the interpreters that serve, in their host alone") {
  GenerationBench bench;
  Host& first = bench.start_host();
  Host& second = bench.start_host();
  CallRoutes routes("shop", [&](int number) -> Host* {
    for (const auto& host : bench.hosts) {
      if (host->number() == number && host->state() != Host::State::gone) return host.get();
    }
    return nullptr;
  });
  bench.dispatcher.set_on_active([&](Generation* active) { routes.follow(active); });
  const auto route = [](std::vector<int> interps) {
    return Json{{"do", "route"}, {"app", "shop"}, {"interps", std::move(interps)}};
  };
  bench.serve(first, 1, 1);
  CHECK(bench.command_for(first).json == route({1}));

  // In the same host one command takes the place of the other, and comes before the drain.
  bench.serve(first, 1, 1);
  bench.served[0].generation->replace();
  CHECK(bench.command_for(first).json == route({2}));
  CHECK(bench.command_for(first).json == drain_of(1));

  bench.serve(second, 1, 1);
  CHECK(bench.command_for(second).json == route({1}));
  CHECK(bench.command_for(first).json == route({}));

  bench.dispatcher.set_active(nullptr);
  CHECK(bench.command_for(second).json == route({}));
  bench.pump();
  CHECK_FALSE(bench.part(first).take());

  Host& own = bench.start_host(key_of_own_process());
  bench.serve(own, 1, 1);
  bench.pump();
  CHECK_FALSE(bench.part(own).take());
}

TEST_CASE("a route to a host that died is looked for by its number and not taken back") {
  GenerationBench bench;
  Host& host = bench.start_host();
  std::vector<int> asked;
  CallRoutes routes("shop", [&](int number) -> Host* {
    asked.push_back(number);
    return host.state() != Host::State::gone ? &host : nullptr;
  });
  bench.dispatcher.set_on_active([&](Generation* active) { routes.follow(active); });
  bench.serve(host, 1, 1);
  CHECK(bench.command_for(host).json == Json{{"do", "route"}, {"app", "shop"}, {"interps", {1}}});
  host.kill();
  bench.pump_until([&] { return !bench.ends.empty(); });
  asked.clear();
  bench.dispatcher.set_active(nullptr);
  CHECK(asked == std::vector<int>{host.number()});
  bench.pump();
  CHECK_FALSE(bench.part(host).take());
}

TEST_CASE("a host that holds what cannot be ended says so") {
  HostBench bench;
  Host& host = bench.start_host();
  bench.part(host).send({{"event", "tainted"}, {"interp", 2}, {"why", "a scratch interpreter hangs"}});
  bench.pump_until([&] { return !bench.tainted.empty(); });
  CHECK(bench.tainted[0] == "a scratch interpreter hangs");
}
