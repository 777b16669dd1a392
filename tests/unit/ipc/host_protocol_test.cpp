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

}  // namespace

TEST_CASE("the make of a spare says what it should have at hand, also when that is nothing") {
  MakeCommand command;
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

TEST_CASE("a command fits one line, and bytes that are no UTF-8 do not keep it from being sent") {
  MakeCommand command;
  command.spec.env["NAME"] = "a\nb\xff";
  const std::string packet = encode_command(command);
  CHECK(packet.find('\n') == std::string::npos);
  CHECK(Json::parse(packet)["spec"]["env"]["NAME"] == "a\nb\xef\xbf\xbd");
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
  CHECK(written(InterruptCommand{large, large - 1})["call"].get<std::uint64_t>() == large - 1);
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
