#include "daemon/hosts/command.h"

#include "ipc/base/json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <utility>

namespace moult {

namespace {

using Json = nlohmann::json;

// A host's texts may hold any bytes; a dump must not throw for them.
std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

constexpr std::array<std::pair<std::string_view, HostEventType>, 25> kEventNames{{
    {"booted", HostEventType::booted},
    {"made", HostEventType::made},
    {"rejected", HostEventType::rejected},
    {"opened", HostEventType::opened},
    {"spare", HostEventType::spare},
    {"loaded", HostEventType::loaded},
    {"retired", HostEventType::retired},
    {"abandoned", HostEventType::abandoned},
    {"stack", HostEventType::stack},
    {"caller", HostEventType::caller},
    {"output", HostEventType::output},
    {"exported", HostEventType::exported},
    {"drained", HostEventType::drained},
    {"calls", HostEventType::calls},
    {"killed", HostEventType::killed},
    {"imports", HostEventType::imports},
    {"stayed", HostEventType::stayed},
    {"asks", HostEventType::asks},
    {"tainted", HostEventType::tainted},
    {"notice", HostEventType::notice},
    {"process_wide", HostEventType::process_wide},
    {"refused", HostEventType::refused},
    {"stalled", HostEventType::stalled},
    {"revived", HostEventType::revived},
    {"crashed", HostEventType::crashed},
}};

std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> texts_of(const Json& json, const char* key) {
  std::vector<std::string> texts;
  const auto found = json.find(key);
  if (found == json.end() || !found->is_array()) return texts;
  for (const Json& item : *found) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  return texts;
}

// 0 for what is no such number: a cast of what does not fit would be undefined, or somebody else's.
template <typename Number>
Number whole_of(const Json& json, const char* key) {
  const auto fitting = [](auto number) {
    return std::in_range<Number>(number) ? static_cast<Number>(number) : Number{};
  };
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_integer()) return {};
  return found->is_number_unsigned() ? fitting(found->get<std::uint64_t>())
                                     : fitting(found->get<std::int64_t>());
}

double number_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<double>() : 0.0;
}

ExtensionNote extension_of(const Json& json) {
  return {text_of(json, "module"), text_of(json, "path"), text_of(json, "kind"),
          text_of(json, "error"),  text_of(json, "file"), whole_of<int>(json, "line")};
}

std::vector<ExtensionNote> extensions_of(const Json& json, const char* key) {
  std::vector<ExtensionNote> notes;
  const auto found = json.find(key);
  if (found == json.end() || !found->is_array()) return notes;
  for (const Json& item : *found) {
    if (item.is_object()) notes.push_back(extension_of(item));
  }
  return notes;
}

std::vector<HostCall> calls_of(const Json& json, const char* key) {
  std::vector<HostCall> calls;
  const auto found = json.find(key);
  if (found == json.end() || !found->is_array()) return calls;
  for (const Json& item : *found) {
    if (!item.is_object()) continue;
    HostCall call;
    call.call = text_of(item, "call");
    call.app = text_of(item, "app");
    call.generation = whole_of<std::uint64_t>(item, "generation");
    call.interp = whole_of<std::uint64_t>(item, "interp");
    call.function = text_of(item, "function");
    call.caller = text_of(item, "caller");
    call.seconds = number_of(item, "seconds");
    call.depth = whole_of<int>(item, "depth");
    calls.push_back(std::move(call));
  }
  return calls;
}

std::vector<ModuleNote> modules_of(const Json& json, const char* key) {
  std::vector<ModuleNote> modules;
  const auto found = json.find(key);
  if (found == json.end() || !found->is_array()) return modules;
  for (const Json& item : *found) {
    if (!item.is_object()) continue;
    modules.push_back({text_of(item, "module"), text_of(item, "file"), text_of(item, "kind"),
                       text_of(item, "hash"), number_of(item, "seconds"), number_of(item, "own_seconds"),
                       text_of(item, "code"), text_of(item, "phase"), text_of(item, "interpreters"),
                       text_of(item, "error")});
  }
  return modules;
}

bool is_true(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

std::string encode_make(const MakeCommand& command) {
  const InterpreterSpec& spec = command.spec;
  Json make{
      {"do", "make"},
      {"interp", command.interp},
      {"app", command.app},
      {"generation", command.generation},
      {"mode", command.mode},
      {"threads", command.threads},
      {"spec",
       {{"tree", spec.tree},
        {"roots", spec.roots},
        {"entry",
         {{"kind", spec.entry.kind},
          {"path", spec.entry.path},
          {"module", spec.entry.module},
          {"callable", spec.entry.callable}}},
        {"path", spec.path},
        {"cwd", spec.cwd},
        {"env", spec.env},
        {"venv", spec.venv},
        {"argv", spec.argv},
        {"script_name", spec.script_name},
        {"debug", spec.debug},
        {"multiprocess", spec.multiprocess},
        {"preimport", spec.preimport},
        {"warnings", spec.warnings},
        {"signals", spec.signals},
        {"python_flags", spec.python_flags},
        {"cause", spec.cause},
        {"log_imports", spec.log_imports},
        {"host", spec.host},
        {"preload", spec.preload},
        {"exports", spec.exports},
        {"static", spec.static_paths},
        {"max_payload", spec.max_payload},
        {"scratch_interpreters", spec.scratch_interpreters},
        {"may_move", spec.may_move}}},
  };
  if (command.spare) {
    make["spare"] = true;
    make["modules"] = command.modules;
    make["sources"] = command.sources;
  }
  return dump(make);
}

std::string encode_load(std::uint64_t interp, const LoadCommand& command) {
  return dump(
      Json{{"do", "load"}, {"interp", interp}, {"generation", command.generation}, {"cause", command.cause}});
}

std::string encode_loaded(std::uint64_t ask, std::uint64_t interp, bool packages) {
  return dump(Json{{"do", "loaded"}, {"ask", ask}, {"interp", interp}, {"packages", packages}});
}

std::string encode_retire(std::uint64_t interp, double timeout_seconds) {
  return dump(Json{{"do", "retire"}, {"interp", interp}, {"timeout", timeout_seconds}});
}

std::string encode_interrupt(std::uint64_t interp, int worker, std::uint64_t call) {
  return dump(Json{{"do", "interrupt"}, {"interp", interp}, {"worker", worker}, {"call", call}});
}

std::string encode_route(const std::string& app, const std::vector<std::uint64_t>& interps) {
  return dump(Json{{"do", "route"}, {"app", app}, {"interps", interps}});
}

std::string encode_drain(std::uint64_t interp) { return dump(Json{{"do", "drain"}, {"interp", interp}}); }

std::string encode_give_back() { return dump(Json{{"do", "give_back"}}); }

std::string encode_calls(std::uint64_t ask) { return dump(Json{{"do", "calls"}, {"ask", ask}}); }

std::string encode_kill(std::uint64_t ask, const std::string& call) {
  return dump(Json{{"do", "kill"}, {"ask", ask}, {"call", call}});
}

std::string encode_imports(std::uint64_t ask, std::uint64_t interp) {
  return dump(Json{{"do", "imports"}, {"ask", ask}, {"interp", interp}});
}

std::string encode_stay(std::uint64_t ask, std::uint64_t interp) {
  return dump(Json{{"do", "stay"}, {"ask", ask}, {"interp", interp}});
}

std::string encode_stack(const StackCommand& command) {
  Json json{{"do", "stack"}, {"ask", command.ask}};
  if (!command.call.empty()) {
    json["call"] = command.call;
    return dump(json);
  }
  json["interp"] = command.interp;
  if (command.worker) json["worker"] = *command.worker;
  return dump(json);
}

std::string encode_exit() { return dump(Json{{"do", "exit"}}); }

Result<HostEvent> decode_event(std::string_view packet) {
  const Json json = parse_json_or_discard(packet);
  if (!json.is_object()) return fail(Error{ErrorCode::protocol, "a host event that is no JSON object"});
  const std::string name = text_of(json, "event");
  HostEvent event;
  bool known = false;
  for (const auto& [event_name, type] : kEventNames) {
    if (event_name != name) continue;
    event.type = type;
    known = true;
  }
  if (!known) return fail(Error{ErrorCode::protocol, fmt::format("unknown host event \"{}\"", name)});
  event.interp = whole_of<std::uint64_t>(json, "interp");
  event.python = text_of(json, "python");
  event.callable = text_of(json, "callable");
  event.seconds = number_of(json, "seconds");
  event.modules = whole_of<int>(json, "modules");
  event.files = texts_of(json, "files");
  event.written = texts_of(json, "written");
  event.extensions = extensions_of(json, "extensions");
  event.refused = extensions_of(json, "refused");
  if (event.type == HostEventType::refused) event.refused = {extension_of(json)};
  event.stage = text_of(json, "stage");
  event.error = text_of(json, "error");
  event.traceback = text_of(json, "traceback");
  event.file = text_of(json, "file");
  event.line = whole_of<int>(json, "line");
  event.why = text_of(json, "why");
  event.threads = texts_of(json, "threads");
  event.level = text_of(json, "level");
  event.text = text_of(json, "text");
  event.what = text_of(json, "what");
  event.value = text_of(json, "value");
  event.ask = whole_of<std::uint64_t>(json, "ask");
  event.names = texts_of(json, "names");
  event.sources = texts_of(json, "sources");
  event.exports = whole_of<int>(json, "exports");
  event.hooks = texts_of(json, "hooks");
  event.calls = calls_of(json, "calls");
  if (json.contains("worker")) event.worker = whole_of<int>(json, "worker");
  event.found = is_true(json, "found");
  event.imports = modules_of(json, "modules");
  event.more = is_true(json, "more");
  event.alone = is_true(json, "alone");
  event.left_out = whole_of<std::uint64_t>(json, "left_out");
  return event;
}

}  // namespace moult
