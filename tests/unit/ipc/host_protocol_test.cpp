#include "ipc/host_protocol.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

using namespace moult;

namespace {

using Json = nlohmann::json;

template <typename Event>
Event decoded(const Json& json) {
  const auto event = decode_event(json.dump());
  REQUIRE(event);
  REQUIRE(std::holds_alternative<Event>(*event));
  return std::get<Event>(*event);
}

Json written(const HostCommand& command) { return Json::parse(encode_command(command)); }

Json written_event(const HostEvent& event) {
  const auto packets = encode_event(event);
  REQUIRE(packets.size() == 1);
  return Json::parse(packets[0]);
}

std::string refusal_of(std::string_view packet) {
  const auto event = decode_event(packet);
  REQUIRE_FALSE(event);
  CHECK(event.error().code == ErrorCode::protocol);
  return event.error().message;
}

std::string command_refusal(std::string_view packet) {
  const auto command = decode_command(packet);
  REQUIRE_FALSE(command);
  CHECK(command.error().code == ErrorCode::protocol);
  return command.error().message;
}

MakeCommand make_command() {
  MakeCommand command;
  command.interp = 7;
  command.app = "blog";
  command.generation = 14;
  command.mode = InterpreterMode::strict;
  command.threads = 4;
  command.spec.tree = "/srv/blog";
  command.spec.roots = {"/srv/blog", "/srv/lib"};
  command.spec.entry = {"file", "/srv/blog/app.py", "", "create_app"};
  command.spec.path = {"/srv/lib"};
  command.spec.cwd = "/srv/blog/run";
  command.spec.env = {{"HOME", "/home/u"}, {"LANG", "C.UTF-8"}};
  command.spec.venv = "/srv/venv";
  command.spec.argv = {"/srv/blog/app.py"};
  command.spec.script_name = "/shop";
  command.spec.debug = true;
  command.spec.multiprocess = true;
  command.spec.preimport = {"/usr/lib/x.so"};
  command.spec.warnings = {"default"};
  command.spec.signals = "error";
  command.spec.python_flags = {"-O"};
  command.spec.cause = "change";
  command.spec.log_imports = "first load";
  command.spec.host = 2;
  command.spec.preload = {"shop.models"};
  command.spec.exports = {"shop.api:total"};
  command.spec.static_paths = {"/static/"};
  command.spec.max_payload = 99;
  command.spec.scratch_interpreters = 4;
  command.spec.may_move = true;
  return command;
}

}  // namespace

TEST_CASE("make says everything that ipc/PROTOCOL.md lists") {
  CHECK(written(make_command()) == Json::parse(R"({
    "do": "make", "interp": 7, "app": "blog", "generation": 14, "mode": "strict", "threads": 4,
    "spec": {
      "tree": "/srv/blog", "roots": ["/srv/blog", "/srv/lib"],
      "entry": {"kind": "file", "path": "/srv/blog/app.py", "module": "", "callable": "create_app"},
      "path": ["/srv/lib"], "cwd": "/srv/blog/run", "env": {"HOME": "/home/u", "LANG": "C.UTF-8"},
      "venv": "/srv/venv", "argv": ["/srv/blog/app.py"], "script_name": "/shop", "debug": true,
      "multiprocess": true, "preimport": ["/usr/lib/x.so"], "warnings": ["default"], "signals": "error",
      "python_flags": ["-O"], "cause": "change", "log_imports": "first load", "host": 2,
      "preload": ["shop.models"], "exports": ["shop.api:total"], "static": ["/static/"],
      "max_payload": 99, "scratch_interpreters": 4, "may_move": true}})"));
}

TEST_CASE("the make of a spare says what it should have at hand, also when that is nothing") {
  MakeCommand command = make_command();
  command.spare = true;
  command.modules = {"json", "logging"};
  const Json make = written(command);
  CHECK(make["spare"] == true);
  CHECK(make["modules"] == Json{"json", "logging"});
  CHECK(make["sources"] == Json::array());
}

TEST_CASE("lists and objects that are empty are lists and objects all the same") {
  const Json spec = written(MakeCommand())["spec"];
  for (const char* key :
       {"roots", "path", "argv", "preimport", "warnings", "python_flags", "preload", "exports", "static"}) {
    CHECK(spec[key] == Json::array());
  }
  CHECK(spec["env"] == Json::object());
  CHECK(spec["debug"] == false);
}

TEST_CASE("the other commands say what they are for") {
  CHECK(written(RetireCommand{7, Seconds(2.5)}) == Json{{"do", "retire"}, {"interp", 7}, {"timeout", 2.5}});
  CHECK(written(InterruptCommand{7, 3, 99}) ==
        Json{{"do", "interrupt"}, {"interp", 7}, {"worker", 3}, {"call", 99}});
  CHECK(written(KillCommand{4, "h1-12"}) == Json{{"do", "kill"}, {"ask", 4}, {"call", "h1-12"}});
  CHECK(written(StayCommand{5, 7}) == Json{{"do", "stay"}, {"ask", 5}, {"interp", 7}});
  CHECK(written(RouteCommand{"shop", {}}) ==
        Json{{"do", "route"}, {"app", "shop"}, {"interps", Json::array()}});
  CHECK(written(ExitCommand()) == Json{{"do", "exit"}});
}

TEST_CASE("a stack is asked of an interpreter, of one of its workers or of a call") {
  CHECK(written(StackCommand{.ask = 5, .interp = 7}) == Json{{"do", "stack"}, {"ask", 5}, {"interp", 7}});
  CHECK(written(StackCommand{.ask = 5, .interp = 7, .worker = 0}) ==
        Json{{"do", "stack"}, {"ask", 5}, {"interp", 7}, {"worker", 0}});
  CHECK(written(StackCommand{.ask = 5, .call = "h1-12"}) ==
        Json{{"do", "stack"}, {"ask", 5}, {"call", "h1-12"}});
}

TEST_CASE("a command fits one line, and bytes that are no UTF-8 do not keep it from being sent") {
  MakeCommand command = make_command();
  command.spec.env["NAME"] = "a\nb\xff";
  const std::string packet = encode_command(command);
  CHECK(packet.find('\n') == std::string::npos);
  CHECK(Json::parse(packet)["spec"]["env"]["NAME"] == "a\nb\xef\xbf\xbd");
}

TEST_CASE("a refusal after the app was made is told as those of `rejected`, beside the interpreter") {
  CHECK(written_event(RefusedEvent{3, {"_x", "/x.so", "once only", "/srv/app.py", 9}}) ==
        Json{{"event", "refused"},
             {"interp", 3},
             {"module", "_x"},
             {"path", "/x.so"},
             {"error", "once only"},
             {"file", "/srv/app.py"},
             {"line", 9}});
}

TEST_CASE("what may be missing is left out while there is nothing to say") {
  CHECK(written_event(OpenedEvent{3, {"/t"}}) == Json{{"event", "opened"}, {"interp", 3}, {"files", {"/t"}}});
  CHECK(written_event(OpenedEvent{3, {}, {"/w"}})["written"] == Json{"/w"});
  CHECK_FALSE(written_event(StalledEvent{3, "thread"}).contains("worker"));
  CHECK(written_event(StalledEvent{3, "call", 0})["worker"] == 0);
  CHECK_FALSE(decoded<StalledEvent>({{"event", "stalled"}}).worker);
}

TEST_CASE("the last word of a host that crashes, which a signal handler wrote, is an event") {
  CHECK(encode_event(CrashedEvent{12})[0] == R"({"event":"crashed","interp":12})");
  CHECK(decoded<CrashedEvent>({{"event", "crashed"}, {"interp", 12}}).interp == 12);
}

TEST_CASE("a text or list that is too long is cut, and the rest of its event arrives") {
  const auto rejected = encode_event(
      RejectedEvent{3, "import", "E", "begin" + std::string(300'000, '\xff') + "end", "/a.py", 7});
  REQUIRE(rejected.size() == 1);
  CHECK(rejected[0].size() <= 120 * 1024);
  const Json json = Json::parse(rejected[0]);
  const auto event = decoded<RejectedEvent>(json);
  CHECK(event.traceback.starts_with("begin"));
  CHECK(event.traceback.ends_with("end"));
  CHECK(event.traceback.find("\n[...]\n") != std::string::npos);
  CHECK(event.line == 7);
  const auto opened = encode_event(OpenedEvent{3, std::vector<std::string>(20'000, "/srv/app.py")});
  REQUIRE(opened.size() == 1);
  CHECK(opened[0].size() <= 120 * 1024);
  CHECK(Json::parse(opened[0])["files"].size() == 5'000);
}

TEST_CASE("imports that are too many for a packet come in parts, of which the last has no more") {
  ModuleNote note;
  note.file = std::string(500, 'f');
  const auto packets = encode_event(ImportsEvent{6, std::vector<ModuleNote>(1'000, note), 4, ""});
  REQUIRE(packets.size() > 3);
  std::size_t modules = 0;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    CHECK(packets[i].size() <= 120 * 1024);
    const auto event = decode_event(packets[i]);
    REQUIRE(event);
    const auto& imports = std::get<ImportsEvent>(*event);
    CHECK(imports.ask == 6);
    CHECK(imports.left_out == 4);
    CHECK(imports.more == (i + 1 < packets.size()));
    modules += imports.modules.size();
  }
  CHECK(modules == 1'000);
  CHECK(written_event(ImportsEvent{6, {}, 0, "busy"})["error"] == "busy");
}

TEST_CASE("members that are missing, null or not known do no harm") {
  const auto bare = decoded<MadeEvent>({{"event", "made"}, {"callable", nullptr}, {"colour", "green"}});
  CHECK(bare.interp == 0);
  CHECK(bare.callable.empty());
  const auto make = decode_command(
      R"({"do": "make", "interp": 1, "mode": "own", "threads": 1, "spec": {"entry": {"kind": "file"}}})");
  REQUIRE(make);
  CHECK(std::get<MakeCommand>(*make).spec.max_payload == 16 << 20);
  CHECK(std::get<MakeCommand>(*make).spec.signals == "ignore");
}

TEST_CASE("what a command needs and has not is named") {
  CHECK(command_refusal(R"({"do": "retire"})") == "command \"retire\": interp is missing");
  CHECK(
      command_refusal(R"({"do": "make", "interp": 1, "mode": "own", "threads": 1, "spec": {"entry": {}}})") ==
      "command \"make\": spec.entry.kind is missing");
  CHECK(command_refusal(R"({"do": "make", "interp": 1, "mode": "odd", "threads": 1, "spec": {}})") ==
        "command \"make\": mode is no mode of an interpreter");
}

TEST_CASE("a member of another kind is named") {
  for (const auto& [member, message] : std::vector<std::pair<const char*, const char*>>{
           {R"("callable": 7)", "callable is no text"},
           {R"("seconds": "long")", "seconds is no time in seconds"},
           {R"("seconds": 1e300)", "seconds is no time in seconds"},
           {R"("files": "x")", "files is no list"},
           {R"("files": ["/x.py", 3])", "files[1] is no text"},
           {R"("extensions": [1])", "extensions[0] is no object"},
           {R"("refused": [{}, {"line": "x"}])", "refused[1].line is no whole number, or too large a one"}}) {
    CHECK(refusal_of(std::string(R"({"event": "made", )") + member + "}") ==
          std::string("host event \"made\": ") + message);
  }
  CHECK(refusal_of(R"({"event": "killed", "found": "yes"})") ==
        "host event \"killed\": found is neither true nor false");
}

TEST_CASE("numbers of 64 bits are not rounded, and those beyond their type's range are refused") {
  const std::uint64_t large = 18'446'744'073'709'551'615ULL;
  CHECK(written(InterruptCommand{large, 0, large - 1})["call"].get<std::uint64_t>() == large - 1);
  CHECK(decoded<RetiredEvent>({{"event", "retired"}, {"interp", large}}).interp == large);
  for (const char* number : {"-1", "1e300", "-1e300", "0.5", "18446744073709551616", "true", "\"7\""}) {
    CAPTURE(number);
    CHECK(refusal_of(std::string(R"({"event": "retired", "interp": )") + number + "}")
              .starts_with("host event \"retired\": interp is no"));
  }
  for (const char* number : {"1e300", "-1e300", "99999999999", "-99999999999"}) {
    CAPTURE(number);
    CHECK(refusal_of(std::string(R"({"event": "rejected", "line": )") + number + "}")
              .starts_with("host event \"rejected\": line is no"));
  }
}

TEST_CASE("what is no packet of ours is refused") {
  for (const char* packet : {"", " ", "null", "7", "\"made\"", "[]", "[{\"event\": \"made\"}]", "{}", "{",
                             R"({"event": 7})", R"({"event": "MADE"})", R"({"event": "made"} x)",
                             R"({"event": "made", })", R"({"do": "exit"})", "{\"event\": \"made\xff\"}"}) {
    CAPTURE(packet);
    CHECK_FALSE(refusal_of(packet).empty());
  }
  CHECK_FALSE(refusal_of(std::string(4, '\0')).empty());
  CHECK(refusal_of(R"({"event": "hatched"})") == "unknown host event \"hatched\"");
  CHECK(command_refusal(R"({"do": "made"})") == "unknown command \"made\"");
  CHECK(command_refusal("[]") == "a command that is no JSON object");
}

TEST_CASE("a packet that was cut anywhere is refused") {
  const std::string whole = encode_event(MadeEvent{3, "a:b", Seconds(1), 2, {"/x.py"}, {}, {}, {}, 0})[0];
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(refusal_of(whole.substr(0, size)).empty());
}

TEST_CASE("a packet of nothing but brackets is refused without exhausting the stack") {
  const std::string deep = std::string(60 * 1024, '[') + std::string(60 * 1024, ']');
  for (const std::string& packet :
       {std::string(120 * 1024, '['), deep, R"({"event": "made", "files": )" + deep + "}"})
    CHECK(refusal_of(packet).find("nested deeper") != std::string::npos);
}
