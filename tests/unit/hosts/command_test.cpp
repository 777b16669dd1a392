#include "daemon/hosts/command.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

using namespace moult;

namespace {

using Json = nlohmann::json;

HostEvent decoded(const Json& json) {
  auto event = decode_event(json.dump());
  REQUIRE(event);
  return *event;
}

bool is_refused(std::string_view packet) {
  const auto event = decode_event(packet);
  return !event && event.error().code == ErrorCode::protocol;
}

MakeCommand make_command() {
  MakeCommand command;
  command.interp = 7;
  command.app = "blog";
  command.generation = 14;
  command.mode = "strict";
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
  command.spec.max_payload = 16'777'216;
  command.spec.scratch_interpreters = 4;
  command.spec.may_move = true;
  return command;
}

}  // namespace

TEST_CASE("make says everything that ipc/PROTOCOL.md lists") {
  CHECK(Json::parse(encode_make(make_command())) == Json::parse(R"({
    "do": "make", "interp": 7, "app": "blog", "generation": 14, "mode": "strict", "threads": 4,
    "spec": {
      "tree": "/srv/blog", "roots": ["/srv/blog", "/srv/lib"],
      "entry": {"kind": "file", "path": "/srv/blog/app.py", "module": "", "callable": "create_app"},
      "path": ["/srv/lib"], "cwd": "/srv/blog/run", "env": {"HOME": "/home/u", "LANG": "C.UTF-8"},
      "venv": "/srv/venv", "argv": ["/srv/blog/app.py"], "script_name": "/shop", "debug": true,
      "multiprocess": true, "preimport": ["/usr/lib/x.so"], "warnings": ["default"], "signals": "error",
      "python_flags": ["-O"], "cause": "change", "log_imports": "first load", "host": 2,
      "preload": ["shop.models"], "exports": ["shop.api:total"], "static": ["/static/"],
      "max_payload": 16777216, "scratch_interpreters": 4, "may_move": true}})"));
}

TEST_CASE("the make of a spare says what it should have at hand") {
  MakeCommand command = make_command();
  command.spare = true;
  command.modules = {"json", "logging"};
  command.sources = {"/srv/blog/", "app.py"};
  const Json make = Json::parse(encode_make(command));
  CHECK(make["spare"] == true);
  CHECK(make["modules"] == Json{"json", "logging"});
  CHECK(make["sources"] == Json{"/srv/blog/", "app.py"});
}

TEST_CASE("lists and objects that are empty are lists and objects all the same") {
  const Json spec = Json::parse(encode_make({}))["spec"];
  for (const char* key :
       {"roots", "path", "argv", "preimport", "warnings", "python_flags", "preload", "exports", "static"}) {
    CHECK(spec[key] == Json::array());
  }
  CHECK(spec["env"] == Json::object());
  CHECK(spec["debug"] == false);
}

TEST_CASE("the other commands say what they are for") {
  CHECK(Json::parse(encode_retire(7, 2.5)) == Json{{"do", "retire"}, {"interp", 7}, {"timeout", 2.5}});
  CHECK(Json::parse(encode_interrupt(7, 3, 99)) ==
        Json{{"do", "interrupt"}, {"interp", 7}, {"worker", 3}, {"call", 99}});
  CHECK(Json::parse(encode_drain(7)) == Json{{"do", "drain"}, {"interp", 7}});
  CHECK(Json::parse(encode_calls(3)) == Json{{"do", "calls"}, {"ask", 3}});
  CHECK(Json::parse(encode_kill(4, "h1-12")) == Json{{"do", "kill"}, {"ask", 4}, {"call", "h1-12"}});
  CHECK(Json::parse(encode_stay(5, 7)) == Json{{"do", "stay"}, {"ask", 5}, {"interp", 7}});
  CHECK(Json::parse(encode_exit()) == Json{{"do", "exit"}});
}

TEST_CASE("a route names the interpreters that calls of an app enter, also when there are none") {
  CHECK(Json::parse(encode_route("shop", {3, 4})) ==
        Json{{"do", "route"}, {"app", "shop"}, {"interps", {3, 4}}});
  CHECK(Json::parse(encode_route("shop", {}))["interps"] == Json::array());
}

TEST_CASE("a stack is asked of an interpreter, of one of its workers or of a call") {
  CHECK(Json::parse(encode_stack({.ask = 5, .interp = 7})) ==
        Json{{"do", "stack"}, {"ask", 5}, {"interp", 7}});
  CHECK(Json::parse(encode_stack({.ask = 5, .interp = 7, .worker = 0})) ==
        Json{{"do", "stack"}, {"ask", 5}, {"interp", 7}, {"worker", 0}});
  CHECK(Json::parse(encode_stack({.ask = 5, .call = "h1-12"})) ==
        Json{{"do", "stack"}, {"ask", 5}, {"call", "h1-12"}});
}

TEST_CASE("numbers of 64 bits are not rounded") {
  const std::uint64_t large = 18'446'744'073'709'551'615ULL;
  CHECK(Json::parse(encode_interrupt(large, 0, large - 1))["interp"].get<std::uint64_t>() == large);
  CHECK(Json::parse(encode_interrupt(large, 0, large - 1))["call"].get<std::uint64_t>() == large - 1);
  CHECK(decoded({{"event", "retired"}, {"interp", large}}).interp == large);
}

TEST_CASE("a command fits one line, and bytes that are no UTF-8 do not keep it from being sent") {
  MakeCommand command = make_command();
  command.spec.env["NAME"] = "a\nb\xff";
  const std::string packet = encode_make(command);
  CHECK(packet.find('\n') == std::string::npos);
  CHECK(Json::parse(packet)["spec"]["env"]["NAME"] == "a\nb\xef\xbf\xbd");
}

TEST_CASE("each event of the protocol is known by its name") {
  const std::vector<std::pair<const char*, HostEventType>> names{
      {"booted", HostEventType::booted},
      {"made", HostEventType::made},
      {"rejected", HostEventType::rejected},
      {"opened", HostEventType::opened},
      {"retired", HostEventType::retired},
      {"abandoned", HostEventType::abandoned},
      {"stack", HostEventType::stack},
      {"caller", HostEventType::caller},
      {"exported", HostEventType::exported},
      {"drained", HostEventType::drained},
      {"calls", HostEventType::calls},
      {"killed", HostEventType::killed},
      {"stayed", HostEventType::stayed},
      {"asks", HostEventType::asks},
      {"tainted", HostEventType::tainted},
      {"notice", HostEventType::notice},
      {"process_wide", HostEventType::process_wide}};
  for (const auto& [name, type] : names) {
    const HostEvent event = decoded({{"event", name}, {"interp", 5}});
    CHECK(event.type == type);
    CHECK(event.interp == 5);
  }
}

TEST_CASE("made tells the callable, the modules, the files, the extensions and what can be called") {
  const HostEvent event =
      decoded({{"event", "made"},
               {"interp", 3},
               {"callable", "app:application"},
               {"seconds", 0.25},
               {"modules", 120},
               {"files", {"/srv/lib/x.py", "/srv/lib/y.py"}},
               {"extensions", {{{"module", "_x"}, {"path", "/x.so"}, {"kind", "single-phase"}}}},
               {"refused", {{{"module", "_y"}, {"path", "/y.so"}, {"error", "does not support"}}}},
               {"exports", 3},
               {"hooks", {"ready", "adopt"}}});
  CHECK(event.exports == 3);
  CHECK(event.hooks == std::vector<std::string>{"ready", "adopt"});
  CHECK(event.callable == "app:application");
  CHECK(event.seconds == 0.25);
  CHECK(event.modules == 120);
  CHECK(event.files == std::vector<std::string>{"/srv/lib/x.py", "/srv/lib/y.py"});
  REQUIRE(event.extensions.size() == 1);
  CHECK(event.extensions[0].module == "_x");
  CHECK(event.extensions[0].path == "/x.so");
  CHECK(event.extensions[0].kind == "single-phase");
  REQUIRE(event.refused.size() == 1);
  CHECK(event.refused[0].error == "does not support");
}

TEST_CASE("rejected tells where the load failed and why") {
  const HostEvent event = decoded({{"event", "rejected"},
                                   {"interp", 3},
                                   {"stage", "import"},
                                   {"error", "NameError: x"},
                                   {"traceback", "Traceback…\n  File"},
                                   {"file", "/srv/app.py"},
                                   {"line", 12},
                                   {"refused", Json::array()}});
  CHECK(event.stage == "import");
  CHECK(event.error == "NameError: x");
  CHECK(event.traceback == "Traceback…\n  File");
  CHECK(event.file == "/srv/app.py");
  CHECK(event.line == 12);
  CHECK(event.refused.empty());
}

TEST_CASE("the other events tell their own members") {
  CHECK(decoded({{"event", "booted"}, {"python", "3.11.2"}}).python == "3.11.2");
  CHECK(decoded({{"event", "stack"}, {"interp", 1}, {"text", "Thread 1"}}).text == "Thread 1");
  const HostEvent abandoned = decoded({{"event", "abandoned"}, {"why", "threads"}, {"threads", {"a", "b"}}});
  CHECK(abandoned.why == "threads");
  CHECK(abandoned.threads == std::vector<std::string>{"a", "b"});
  const HostEvent notice = decoded(
      {{"event", "notice"}, {"interp", 0}, {"level", "warning"}, {"text", "t"}, {"file", "f"}, {"line", 3}});
  CHECK(notice.level == "warning");
  CHECK(notice.text == "t");
  CHECK(notice.file == "f");
  CHECK(notice.line == 3);
  const HostEvent wide =
      decoded({{"event", "process_wide"}, {"interp", 1}, {"what", "tz"}, {"value", "UTC"}});
  CHECK(wide.what == "tz");
  CHECK(wide.value == "UTC");
}

TEST_CASE("answers carry the number of what was asked") {
  CHECK(decoded({{"event", "stack"}, {"interp", 1}, {"ask", 9}}).ask == 9);
  const HostEvent killed = decoded({{"event", "killed"}, {"ask", 4}, {"found", true}});
  CHECK(killed.ask == 4);
  CHECK(killed.found);
  CHECK_FALSE(decoded({{"event", "killed"}, {"ask", 4}, {"found", "yes"}}).found);
  const HostEvent calls = decoded({{"event", "calls"},
                                   {"ask", 5},
                                   {"calls",
                                    {{{"call", "h1-12"},
                                      {"app", "shop"},
                                      {"generation", 3},
                                      {"interp", 2},
                                      {"function", "total"},
                                      {"caller", "blog"},
                                      {"seconds", 1.5},
                                      {"depth", 2}},
                                     7,
                                     {{"call", 8}}}}});
  CHECK(calls.ask == 5);
  REQUIRE(calls.calls.size() == 2);
  CHECK(calls.calls[0].call == "h1-12");
  CHECK(calls.calls[0].app == "shop");
  CHECK(calls.calls[0].generation == 3);
  CHECK(calls.calls[0].interp == 2);
  CHECK(calls.calls[0].function == "total");
  CHECK(calls.calls[0].caller == "blog");
  CHECK(calls.calls[0].seconds == 1.5);
  CHECK(calls.calls[0].depth == 2);
  CHECK(calls.calls[1].call.empty());
}

TEST_CASE("loaded tells the modules and the files of a generation") {
  const HostEvent loaded = decoded({{"event", "loaded"},
                                    {"ask", 6},
                                    {"names", {"json"}},
                                    {"sources", {"/srv/blog/", "app.py", 7}},
                                    {"why", "socket.socket by app"}});
  CHECK(loaded.ask == 6);
  CHECK(loaded.names == std::vector<std::string>{"json"});
  CHECK(loaded.sources == std::vector<std::string>{"/srv/blog/", "app.py"});
  CHECK(loaded.why == "socket.socket by app");
}

TEST_CASE("an app asks for something, or taints its host") {
  CHECK(decoded({{"event", "asks"}, {"interp", 3}, {"what", "freeze"}}).what == "freeze");
  CHECK(decoded({{"event", "tainted"}, {"interp", 3}, {"why", "stuck"}}).why == "stuck");
}

TEST_CASE("members that are missing, of another type or not known do no harm") {
  const HostEvent bare = decoded({{"event", "made"}});
  CHECK(bare.interp == 0);
  CHECK(bare.callable.empty());
  CHECK(bare.files.empty());
  const HostEvent odd = decoded({{"event", "made"},
                                 {"interp", "seven"},
                                 {"callable", 7},
                                 {"seconds", "long"},
                                 {"modules", nullptr},
                                 {"files", {"/x.py", 3, nullptr, {"y"}}},
                                 {"extensions", {1, "x", {{"module", 5}, {"path", "/x.so"}}}},
                                 {"refused", "none"},
                                 {"line", {{"a", 1}}},
                                 {"colour", "green"}});
  CHECK(odd.interp == 0);
  CHECK(odd.callable.empty());
  CHECK(odd.seconds == 0);
  CHECK(odd.modules == 0);
  CHECK(odd.files == std::vector<std::string>{"/x.py"});
  REQUIRE(odd.extensions.size() == 1);
  CHECK(odd.extensions[0].module.empty());
  CHECK(odd.extensions[0].path == "/x.so");
  CHECK(odd.refused.empty());
}

TEST_CASE("a number out of range belongs to no interpreter") {
  for (const char* number : {"-1", "1e300", "-1e300", "0.5", "99999999999999999999999"}) {
    CAPTURE(number);
    const auto event = decode_event(std::string(R"({"event": "retired", "interp": )") + number + "}");
    REQUIRE(event);
    CHECK(event->interp == 0);
  }
  for (const char* number : {"1e300", "-1e300", "99999999999"}) {
    CAPTURE(number);
    const auto event = decode_event(std::string(R"({"event": "rejected", "line": )") + number + "}");
    REQUIRE(event);
    CHECK(event->line == 0);
  }
}

TEST_CASE("what is no event of ours is refused") {
  for (const char* packet : {"", " ", "null", "7", "\"made\"", "[]", "[{\"event\": \"made\"}]", "{}", "{",
                             R"({"event": 7})", R"({"event": "MADE"})", R"({"event": "made"} x)",
                             R"({"event": "made", })", R"({"do": "exit"})", "{\"event\": \"made\xff\"}"}) {
    CAPTURE(packet);
    CHECK(is_refused(packet));
  }
  CHECK(is_refused(std::string(4, '\0')));
}

TEST_CASE("a packet that was cut anywhere is refused") {
  const std::string whole = Json{{"event", "made"}, {"interp", 3}, {"files", {"/x.py"}}}.dump();
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(is_refused(whole.substr(0, size)));
}

TEST_CASE("a packet of nothing but brackets is refused without exhausting the stack") {
  CHECK(is_refused(std::string(120 * 1024, '[')));
  CHECK(is_refused(std::string(60 * 1024, '[') + std::string(60 * 1024, ']')));
  const std::string deep = std::string(60 * 1024, '[') + std::string(60 * 1024, ']');
  CHECK(is_refused(R"({"event": "made", "files": )" + deep + "}"));
}

TEST_CASE("an unknown event is named in the error") {
  const auto event = decode_event(R"({"event": "hatched"})");
  REQUIRE_FALSE(event);
  CHECK(event.error().message == "unknown host event \"hatched\"");
}
