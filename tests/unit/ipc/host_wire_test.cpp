// Each packet beside the value that it stands for. The other tests of this protocol take the members from the
// description itself, so they would not see that one is missing there or has the name of another.

#include "ipc/host_protocol.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <set>
#include <string_view>

using namespace moult;

namespace {

using Json = nlohmann::json;

// A value with each member set, and its packet.
template <typename Packet>
struct Pair {
  Packet value;
  Json packet;
};

std::string packet_of(const HostCommand& command) { return encode_command(command); }
std::string packet_of(const HostEvent& event) { return encode_event(event).at(0); }
Result<HostCommand> decode_as(std::string_view packet, const HostCommand&) { return decode_command(packet); }
Result<HostEvent> decode_as(std::string_view packet, const HostEvent&) { return decode_event(packet); }

template <typename Packet>
void check(const std::vector<Pair<Packet>>& pairs) {
  std::set<std::size_t> kinds;
  for (const auto& [value, packet] : pairs) {
    CHECK(Json::parse(packet_of(value)) == packet);
    const auto read = decode_as(packet.dump(), value);
    REQUIRE(read);
    CHECK(Json::parse(packet_of(*read)) == packet);
    kinds.insert(value.index());
  }
  CHECK(kinds.size() == std::variant_size_v<Packet>);
}

}  // namespace

TEST_CASE("each command has these bytes") {
  const InterpreterSpec spec{"/t",
                             {"/t", "/l"},
                             {"file", "/t/a.py", "m", "app"},
                             {"/l"},
                             "/run",
                             {{"HOME", "/h"}},
                             "/venv",
                             {"a.py"},
                             "/shop",
                             true,
                             false,
                             {"/x.so"},
                             {"once"},
                             "error",
                             {"-O"},
                             "change",
                             "first",
                             2,
                             {"json"},
                             {"m:total"},
                             {"/static/"},
                             99,
                             4,
                             true,
                             Seconds(9)};
  Json make = Json::parse(R"({"do": "make", "interp": 7, "app": "blog", "generation": 14, "mode": "strict",
    "threads": 4, "spec": {"tree": "/t", "roots": ["/t", "/l"],
    "entry": {"kind": "file", "path": "/t/a.py", "module": "m", "callable": "app"}, "path": ["/l"],
    "cwd": "/run", "env": {"HOME": "/h"}, "venv": "/venv", "argv": ["a.py"], "script_name": "/shop",
    "debug": true, "multiprocess": false, "preimport": ["/x.so"], "warnings": ["once"], "signals": "error",
    "python_flags": ["-O"], "cause": "change", "log_imports": "first", "host": 2, "preload": ["json"],
    "exports": ["m:total"], "static": ["/static/"], "max_payload": 99, "scratch_interpreters": 4,
    "may_move": true, "worker_idle": 9.0}})");
  Json spare = make;
  spare.update({{"spare", true}, {"modules", {"json"}}, {"sources", {"/t/", "a.py"}}});
  const auto mode = InterpreterMode::strict;
  check<HostCommand>({
      {MakeCommand{7, "blog", 14, mode, 4, spec}, make},
      {MakeCommand{7, "blog", 14, mode, 4, spec, true, {"json"}, {"/t/", "a.py"}}, spare},
      {LoadCommand{7, 3, "change"}, {{"do", "load"}, {"interp", 7}, {"generation", 3}, {"cause", "change"}}},
      {LoadedCommand{1, 7, true}, {{"do", "loaded"}, {"ask", 1}, {"interp", 7}, {"packages", true}}},
      {RetireCommand{7, Seconds(2.5)}, {{"do", "retire"}, {"interp", 7}, {"timeout", 2.5}}},
      {InterruptCommand{7, 99}, {{"do", "interrupt"}, {"interp", 7}, {"call", 99}}},
      {StackCommand{.ask = 5, .interp = 7}, {{"do", "stack"}, {"ask", 5}, {"interp", 7}}},
      {StackCommand{5, 7, 0}, {{"do", "stack"}, {"ask", 5}, {"interp", 7}, {"worker", 0}}},
      {StackCommand{.ask = 5, .call = "h1-12"}, {{"do", "stack"}, {"ask", 5}, {"call", "h1-12"}}},
      {RouteCommand{"shop", {1, 2}}, {{"do", "route"}, {"app", "shop"}, {"interps", {1, 2}}}},
      {RouteCommand{"shop", {}}, {{"do", "route"}, {"app", "shop"}, {"interps", Json::array()}}},
      {DrainCommand{7}, {{"do", "drain"}, {"interp", 7}}},
      {CallsCommand{5}, {{"do", "calls"}, {"ask", 5}}},
      {KillCommand{4, "h1-12"}, {{"do", "kill"}, {"ask", 4}, {"call", "h1-12"}}},
      {ImportsCommand{5, 7}, {{"do", "imports"}, {"ask", 5}, {"interp", 7}}},
      {StayCommand{5, 7}, {{"do", "stay"}, {"ask", 5}, {"interp", 7}}},
      {GiveBackCommand{7}, {{"do", "give_back"}, {"interp", 7}}},
      {ExitCommand{}, {{"do", "exit"}}},
  });
}

TEST_CASE("each event has these bytes") {
  const RefusalNote refusal{"_x", "/x.so", "once only", "/a.py", 9};
  const Json refused =
      Json::parse(R"({"module": "_x", "path": "/x.so", "error": "once only", "file": "/a.py", "line": 9})");
  Json refused_later = refused;
  refused_later.update({{"event", "refused"}, {"interp", 3}});
  check<HostEvent>({
      {BootedEvent{"3.11.2", 12, "cpython-311"},
       {{"event", "booted"}, {"python", "3.11.2"}, {"pid", 12}, {"soabi", "cpython-311"}}},
      {MadeEvent{
           3, "a:b", Seconds(1.5), 2, {"/f"}, {{"_y", "/y.so", "multi-phase"}}, {refusal}, {"ready"}, 6},
       {{"event", "made"},
        {"interp", 3},
        {"callable", "a:b"},
        {"seconds", 1.5},
        {"modules", 2},
        {"files", {"/f"}},
        {"extensions", {{{"module", "_y"}, {"path", "/y.so"}, {"kind", "multi-phase"}}}},
        {"refused", Json::array({refused})},
        {"hooks", {"ready"}},
        {"exports", 6}}},
      {RejectedEvent{3, "import", "E", "Traceback", "/a.py", 7, {refusal}},
       {{"event", "rejected"},
        {"interp", 3},
        {"stage", "import"},
        {"error", "E"},
        {"traceback", "Traceback"},
        {"file", "/a.py"},
        {"line", 7},
        {"refused", Json::array({refused})}}},
      {OpenedEvent{3, {"/r"}, {"/w"}},
       {{"event", "opened"}, {"interp", 3}, {"files", {"/r"}}, {"written", {"/w"}}}},
      {SpareEvent{3, {"json"}}, {{"event", "spare"}, {"interp", 3}, {"names", {"json"}}}},
      {LoadedEvent{5, {"json"}, {"a.py"}, "why"},
       {{"event", "loaded"}, {"ask", 5}, {"names", {"json"}}, {"sources", {"a.py"}}, {"why", "why"}}},
      {RetiredEvent{3, Seconds(1.5)}, {{"event", "retired"}, {"interp", 3}, {"seconds", 1.5}}},
      {AbandonedEvent{3, "why", {"T"}},
       {{"event", "abandoned"}, {"interp", 3}, {"why", "why"}, {"threads", {"T"}}}},
      {StackEvent{5, 3, "t"}, {{"event", "stack"}, {"ask", 5}, {"interp", 3}, {"text", "t"}}},
      {CallerEvent{3}, {{"event", "caller"}, {"interp", 3}}},
      {OutputEvent{3}, {{"event", "output"}, {"interp", 3}}},
      {ExportedEvent{3}, {{"event", "exported"}, {"interp", 3}}},
      {DrainedEvent{3}, {{"event", "drained"}, {"interp", 3}}},
      {CallsEvent{5, {{"h1-2", "shop", 4, 3, "total", "blog", Seconds(1.5), 6}}},
       {{"event", "calls"},
        {"ask", 5},
        {"calls",
         {{{"call", "h1-2"},
           {"app", "shop"},
           {"generation", 4},
           {"interp", 3},
           {"function", "total"},
           {"caller", "blog"},
           {"seconds", 1.5},
           {"depth", 6}}}}}},
      {KilledEvent{5, true}, {{"event", "killed"}, {"ask", 5}, {"found", true}}},
      {StayedEvent{5}, {{"event", "stayed"}, {"ask", 5}}},
      {ImportsEvent{5, {{"m", "/m.py", "source", "h", 1.5, 0.5, "cached", "p", "one", "E"}}, 4, "why", false},
       {{"event", "imports"},
        {"ask", 5},
        {"modules",
         {{{"module", "m"},
           {"file", "/m.py"},
           {"kind", "source"},
           {"hash", "h"},
           {"seconds", 1.5},
           {"own_seconds", 0.5},
           {"code", "cached"},
           {"phase", "p"},
           {"interpreters", "one"},
           {"error", "E"}}}},
        {"left_out", 4},
        {"error", "why"},
        {"more", false}}},
      {AsksEvent{3, "reload"}, {{"event", "asks"}, {"interp", 3}, {"what", "reload"}}},
      {TaintedEvent{3, "why"}, {{"event", "tainted"}, {"interp", 3}, {"why", "why"}}},
      {RefusedEvent{3, refusal}, refused_later},
      {NoticeEvent{3, "warning", "t", "/a.py", 9},
       {{"event", "notice"},
        {"interp", 3},
        {"level", "warning"},
        {"text", "t"},
        {"file", "/a.py"},
        {"line", 9}}},
      {StalledEvent{3, "call", 0, "f", true, Seconds(2.5)},
       {{"event", "stalled"},
        {"interp", 3},
        {"what", "call"},
        {"worker", 0},
        {"text", "f"},
        {"alone", true},
        {"seconds", 2.5}}},
      {RevivedEvent{3, Seconds(2.5)}, {{"event", "revived"}, {"interp", 3}, {"seconds", 2.5}}},
      {CrashedEvent{3}, {{"event", "crashed"}, {"interp", 3}}},
      {ProcessWideEvent{3, "tz", "UTC"},
       {{"event", "process_wide"}, {"interp", 3}, {"what", "tz"}, {"value", "UTC"}}},
  });
}
