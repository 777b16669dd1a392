#pragma once

#include "tests/unit/hosts/host_bench.h"

namespace moult::test {

// A generation and the test's ends of its lanes.
struct Served {
  std::unique_ptr<Generation> generation;
  std::vector<LanePart> lanes;
};

// Generations in hosts that the test plays, and the dispatcher that gives them calls, wired as the
// app does it.
class GenerationBench : public HostBench, public Generation::Owner {
 public:
  ~GenerationBench() { dispatcher.set_active(nullptr); }

  // Asks the hosts for a generation; the test answers.
  Generation& ask(const std::vector<Host*>& wanted, int threads) {
    GenerationRecord record;
    record.number = served.size() + 1;
    served.push_back({std::make_unique<Generation>(loop, *this, record, nullptr, ""), {}});
    MakeCommand command;
    command.threads = threads;
    auto snapshot = sealed_memfd("test", {});
    REQUIRE(snapshot);
    REQUIRE(served.back().generation->make(wanted, rounds, command, *snapshot));
    return *served.back().generation;
  }
  // Takes the command `make` of one interpreter and keeps its lanes.
  std::uint64_t take_make(Host& host) {
    Command command = command_for(host);
    REQUIRE(command.json["do"] == "make");
    const std::size_t workers = command.descriptors.size() - 4;
    const auto batch =
        std::make_shared<BatchPart>(std::move(command.descriptors[2]), command.descriptors[3], workers);
    for (std::size_t i = 0; i < workers; ++i)
      served.back().lanes.emplace_back(batch, i, std::move(command.descriptors[4 + i]));
    return command.json["interp"];
  }
  // A generation that is made and active.
  Served& serve(Host& host, int threads, int exports = 0) {
    Generation& generation = ask({&host}, threads);
    const std::uint64_t interp = take_make(host);
    part(host).send({{"event", "made"}, {"interp", interp}, {"callable", "app:app"}, {"exports", exports}});
    pump_until([&] { return generation.state() == GenerationState::warming; });
    generation.activate();
    dispatcher.set_active(&generation);
    pump();
    return served.back();
  }
  void submit(TestCall& call) {
    dispatcher.submit(call.call);
    rounds.flush();
    begin_all();
  }
  void pump() {
    HostBench::pump();
    begin_all();
  }
  // Workers begin their calls at once, unless a test says that they are busy.
  void begin_all() {
    for (const Served& one : served) {
      for (const LanePart& lane : one.lanes) {
        if (!are_busy) lane.batch->begin_all();
      }
    }
  }
  bool are_busy = false;

  void on_generation_made(Generation&) override { told.emplace_back("made"); }
  void on_generation_refused(Generation& generation) override {
    told.push_back("refused: " + generation.record().rejection.stage);
  }
  void on_generation_idle(Generation&) override { told.emplace_back("idle"); }
  void on_generation_lost(Generation&, const std::string& how) override { told.push_back("lost: " + how); }
  void on_generation_hurt(Generation&, const std::string& how) override { told.push_back("hurt: " + how); }
  void on_generation_ended(Generation&) override { told.emplace_back("ended"); }
  void on_flight_ended(Generation& generation, Flight& flight) override {
    dispatcher.on_flight_ended(flight);
    on_room(generation);
  }
  void on_room(Generation&) override { dispatcher.on_room(); }
  void on_call_lost(Generation&, Call& call) override { dispatcher.on_call_lost(call); }
  void on_call_moved(Call& call) override { dispatcher.on_call_moved(call); }
  void on_call_returned(Generation&, Call& call) override { dispatcher.on_call_returned(call); }
  void on_refused(Generation&, const RefusalNote& what) override { refused.push_back(what); }
  void on_files_written(const std::vector<std::string>& those) override {
    written.insert(written.end(), those.begin(), those.end());
  }
  void on_files_used(Generation&, const std::vector<std::string>& used) override {
    files.insert(files.end(), used.begin(), used.end());
  }
  void on_notice(Generation&, const HostEvent& event) override { notices.push_back(event); }
  void on_log_line(Generation&, char stream, std::string_view line) override {
    lines.push_back(std::string(1, stream) + ":" + std::string(line));
  }

  LaneRounds rounds{loop};
  CallStats stats;
  std::vector<Served> served;
  Dispatcher dispatcher{stats};
  std::vector<std::string> told;
  std::vector<std::string> files;
  std::vector<std::string> written;
  std::vector<HostEvent> notices;
  std::vector<RefusalNote> refused;
  std::vector<std::string> lines;
};

}  // namespace moult::test
