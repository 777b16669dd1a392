#include "tests/unit/serve/generation_bench.h"

#include <unistd.h>
#include <algorithm>

using namespace moult;
using namespace moult::test;

namespace {

using Told = std::vector<std::string>;

// A generation that is being made in `host`; its interpreter is number 1.
Generation& making(GenerationBench& bench, Host& host, int threads = 1) {
  Generation& generation = bench.ask({&host}, threads);
  REQUIRE(bench.take_make(host) == 1);
  return generation;
}

void wait_for(GenerationBench& bench, const Generation& generation, GenerationState state) {
  bench.pump_until([&] { return generation.state() == state; });
}

bool was_told(const GenerationBench& bench, const std::string& what) {
  return std::find(bench.told.begin(), bench.told.end(), what) != bench.told.end();
}

}  // namespace

TEST_CASE("make travels with the snapshot, the log pipe and a lane for each thread") {
  GenerationBench bench;
  Host& host = bench.start_host();
  bench.ask({&host}, 3);
  const Command command = bench.command_for(host);
  CHECK(command.json["do"] == "make");
  CHECK(command.json["interp"] == 1);
  CHECK(command.json["mode"] == "shared");
  CHECK(command.json["threads"] == 3);
  CHECK(command.descriptors.size() == 7);
}

TEST_CASE("a generation whose interpreter is made can be warmed, with what the interpreter told of it") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = making(bench, host);
  bench.part(host).send({{"event", "made"},
                         {"interp", 1},
                         {"callable", "app:application"},
                         {"python", "3.11.2"},
                         {"files", {"/opt/x.py"}},
                         {"extensions", {{{"module", "_x"}, {"kind", "multi-phase"}}}},
                         {"refused", {{{"module", "_y"}, {"error", "no"}}}}});
  wait_for(bench, generation, GenerationState::warming);
  CHECK(was_told(bench, "made"));
  CHECK(bench.files == Told{"/opt/x.py"});
  CHECK(generation.record().callable == "app:application");
  CHECK(generation.extensions().at(0).module == "_x");
  CHECK(generation.fell_back().at(0).error == "no");
}

TEST_CASE("a generation of two interpreters is made when both are, and calls go to the less busy one") {
  GenerationBench bench;
  Host& first = bench.start_host();
  Host& second = bench.start_host();
  Generation& generation = bench.ask({&first, &second}, 2);
  bench.take_make(first);
  bench.take_make(second);
  bench.part(first).send({{"event", "made"}, {"interp", 1}});
  bench.pump();
  bench.pump_until([&] { return !bench.part(first).take(); });
  CHECK(generation.state() == GenerationState::making);
  bench.part(second).send({{"event", "made"}, {"interp", 1}});
  wait_for(bench, generation, GenerationState::warming);
  CHECK(std::count(bench.told.begin(), bench.told.end(), "made") == 1);
  generation.activate();
  bench.dispatcher.set_active(&generation);
  TestCall one(1);
  TestCall two(2);
  bench.submit(one);
  bench.submit(two);
  for (const auto& interpreter : generation.interpreters()) CHECK(interpreter->busy() == 1);
}

TEST_CASE("a generation that loses one of its hosts serves on with the other") {
  GenerationBench bench;
  Host& first = bench.start_host();
  Host& second = bench.start_host();
  Generation& generation = bench.ask({&first, &second}, 1);
  for (Host* host : {&first, &second}) {
    bench.take_make(*host);
    bench.part(*host).send({{"event", "made"}, {"interp", 1}});
  }
  wait_for(bench, generation, GenerationState::warming);
  generation.activate();
  bench.dispatcher.set_active(&generation);
  first.kill();
  bench.pump_until([&] { return !bench.ends.empty(); });
  CHECK(generation.state() == GenerationState::active);
  CHECK(was_told(bench, "hurt: was ended by signal 9 (Killed)"));
  TestCall one(1);
  TestCall two(2);
  bench.submit(one);
  bench.submit(two);
  CHECK(generation.in_flight() == 1);
  CHECK(bench.dispatcher.queued() == 1);
  second.kill();
  bench.pump_until([&] { return bench.ends.size() == 2; });
  CHECK(generation.state() == GenerationState::lost);
  CHECK(one.failure == CallFailure::host_lost);
}

TEST_CASE("an interpreter that rejects the code makes its generation rejected, with the reason") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = making(bench, host);
  bench.part(host).send({{"event", "rejected"},
                         {"interp", 1},
                         {"stage", "import"},
                         {"error", "NameError: x"},
                         {"traceback", "Traceback"},
                         {"file", "/srv/app.py"},
                         {"line", 3}});
  wait_for(bench, generation, GenerationState::rejected);
  CHECK(was_told(bench, "refused: import"));
  CHECK(generation.record().rejection.error == "NameError: x");
  CHECK(generation.record().rejection.line == 3);
  CHECK_FALSE(generation.has_ended());
  bench.part(host).send({{"event", "retired"}, {"interp", 1}});
  bench.pump_until([&] { return was_told(bench, "ended"); });
  CHECK(generation.state() == GenerationState::rejected);
}

TEST_CASE("a host that dies while it loads the app makes the generation rejected as a crash") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = making(bench, host);
  host.kill();
  wait_for(bench, generation, GenerationState::rejected);
  CHECK(generation.record().rejection.stage == "crash");
  CHECK(generation.record().rejection.error ==
        "the host process was ended by signal 9 (Killed) while the app was being loaded");
  bench.pump_until([&] { return was_told(bench, "ended"); });
}

TEST_CASE(
    "a generation that is refused while it is made is ended by a command, and its late answer is nothing") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = making(bench, host);
  generation.refuse({"timeout", "did not load within 60 s"});
  CHECK(bench.command_for(host).json == Json{{"do", "retire"}, {"interp", 1}, {"timeout", 1.0}});
  bench.part(host).send({{"event", "made"}, {"interp", 1}});
  bench.part(host).send({{"event", "retired"}, {"interp", 1}});
  bench.pump_until([&] { return was_told(bench, "ended"); });
  CHECK_FALSE(was_told(bench, "made"));
  CHECK(generation.state() == GenerationState::rejected);
}

TEST_CASE("a retired generation closes its lanes, then asks for the end of its interpreter") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 2);
  bench.dispatcher.set_active(nullptr);
  served.generation->replace();
  served.generation->retire(Seconds(2.5));
  for (LanePart& lane : served.lanes) {
    CHECK_FALSE(lane.take());
    CHECK(lane.closed);
  }
  CHECK(bench.command_for(host).json == Json{{"do", "retire"}, {"interp", 1}, {"timeout", 2.5}});
  CHECK(served.generation->state() == GenerationState::retiring);
  bench.part(host).send({{"event", "retired"}, {"interp", 1}, {"seconds", 0.1}});
  bench.pump_until([&] { return was_told(bench, "ended"); });
  CHECK(served.generation->state() == GenerationState::retired);
}

TEST_CASE("an interpreter that cannot be ended makes its generation abandoned, and says why") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 1);
  bench.dispatcher.set_active(nullptr);
  served.generation->replace();
  served.generation->retire(Seconds(1.0));
  bench.part(host).send(
      {{"event", "abandoned"}, {"interp", 1}, {"why", "2 threads"}, {"threads", {"a", "b"}}});
  bench.pump_until([&] { return was_told(bench, "ended"); });
  CHECK(served.generation->state() == GenerationState::abandoned);
  CHECK(served.generation->has_abandoned_interpreter());
  REQUIRE(bench.notices.size() == 1);
  CHECK(std::get<AbandonedEvent>(bench.notices[0]).why == "2 threads");
  CHECK(served.generation->lives_on(host));
}

TEST_CASE("a host that dies under a retiring generation has retired it") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Served& served = bench.serve(host, 1);
  bench.dispatcher.set_active(nullptr);
  served.generation->replace();
  served.generation->retire(Seconds(1.0));
  host.kill();
  bench.pump_until([&] { return was_told(bench, "ended"); });
  CHECK(served.generation->state() == GenerationState::retired);
  CHECK_FALSE(served.generation->lives_on(host));
}

TEST_CASE("a generation that is draining is idle when its last call has ended") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 2);
  TestCall first(1);
  TestCall second(2);
  bench.submit(first);
  bench.submit(second);
  served.generation->replace();
  for (LanePart& lane : served.lanes) {
    CHECK_FALSE(was_told(bench, "idle"));
    const std::uint64_t id = lane.take_request();
    lane.answer(id, "");
    bench.pump();
  }
  CHECK(was_told(bench, "idle"));
  CHECK(served.generation->record().calls == 2);
  served.generation->keep_as_standby();
  CHECK(served.generation->state() == GenerationState::standby);
  served.generation->activate();
  CHECK(served.generation->state() == GenerationState::active);
}

TEST_CASE("the worker that was used last is used first") {
  GenerationBench bench;
  Served& served = bench.serve(bench.start_host(), 4);
  TestCall first(1);
  bench.submit(first);
  const auto lane = std::find_if(served.lanes.begin(), served.lanes.end(),
                                 [](LanePart& part) { return part.take_request() == 1; });
  REQUIRE(lane != served.lanes.end());
  for (std::uint64_t id = 2; id < 6; ++id) {
    lane->answer(id - 1, "");
    bench.pump();
    TestCall next(id);
    bench.submit(next);
    CHECK(lane->take_request() == id);
    bench.dispatcher.cancel(next.call);
    lane->take();  // the abort
    if (id == 5) lane->answer(id, "");
  }
}

TEST_CASE("what an interpreter opens, notes and logs reaches the generation's owner") {
  GenerationBench bench;
  Host& host = bench.start_host();
  bench.ask({&host}, 1);
  Command command = bench.command_for(host);
  const std::string record = std::string("\x05\0\0\0o", 5) + "hello";
  REQUIRE(::write(command.descriptors.at(1).get(), record.data(), record.size()) == 10);
  bench.part(host).send({{"event", "opened"}, {"interp", 1}, {"files", {"/srv/t.html"}}});
  bench.part(host).send({{"event", "notice"}, {"interp", 1}, {"text", "careful"}});
  bench.part(host).send({{"event", "process_wide"}, {"interp", 1}, {"what", "tz"}, {"value", "UTC"}});
  bench.pump_until([&] { return bench.notices.size() == 2 && !bench.lines.empty(); });
  CHECK(bench.files == Told{"/srv/t.html"});
  CHECK(std::get<NoticeEvent>(bench.notices[0]).text == "careful");
  CHECK(std::get<ProcessWideEvent>(bench.notices[1]).value == "UTC");
  CHECK(bench.lines == Told{"o:hello"});
}

TEST_CASE("what was logged before the host died is not lost") {
  GenerationBench bench;
  Host& host = bench.start_host();
  Generation& generation = bench.ask({&host}, 1);
  {
    Command command = bench.command_for(host);
    const std::string record = std::string("\x04\0\0\0e", 5) + "last";
    REQUIRE(::write(command.descriptors.at(1).get(), record.data(), record.size()) == 9);
  }
  host.kill();
  wait_for(bench, generation, GenerationState::rejected);
  CHECK(bench.lines == Told{"e:last"});
}
