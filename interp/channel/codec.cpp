#include "interp/channel/commands.h"
#include "interp/channel/events.h"
#include "ipc/base/json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>

// The JSON of the command channel in both directions; ipc/PROTOCOL.md is its description.

namespace moult {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kPacketLimit = 120 * 1024;
constexpr std::size_t kBatchLimit = 100 * 1024;  // of rows, beside which there is little

Failure bad(std::string message) { return fail(Error{ErrorCode::protocol, std::move(message)}); }

std::vector<std::string> strings(const Json& object, const char* key) {
  return object.value(key, std::vector<std::string>{});
}

Spec spec_from(const Json& json) {
  Spec spec;
  spec.tree = json.value("tree", "");
  spec.roots = strings(json, "roots");
  const Json& entry = json.at("entry");
  spec.entry.kind = entry.at("kind");
  const std::string path = entry.value("path", "");
  spec.entry.target = path.empty() ? entry.value("module", "") : path;
  spec.entry.callable = entry.value("callable", "");
  spec.path = strings(json, "path");
  spec.cwd = json.value("cwd", "");
  if (json.contains("env")) {
    for (const auto& [name, value] : json.at("env").items())
      spec.env.emplace_back(name, value.get<std::string>());
  }
  spec.venv = json.value("venv", "");
  spec.argv = strings(json, "argv");
  spec.script_name = json.value("script_name", "");
  spec.debug = json.value("debug", false);
  spec.multiprocess = json.value("multiprocess", false);
  spec.preimport = strings(json, "preimport");
  spec.warnings = strings(json, "warnings");
  spec.signals = json.value("signals", "ignore");
  spec.python_flags = strings(json, "python_flags");
  spec.cause = json.value("cause", "");
  spec.log_imports = json.value("log_imports", "");
  spec.host = json.value("host", 0);
  spec.preload = strings(json, "preload");
  spec.exports = strings(json, "exports");
  spec.static_paths = strings(json, "static");
  spec.max_payload = json.value("max_payload", spec.max_payload);
  spec.scratch_interpreters = json.value("scratch_interpreters", 0);
  spec.may_move = json.value("may_move", false);
  return spec;
}

py::Mode mode_from(const std::string& name) {
  for (const py::Mode mode : {py::Mode::own, py::Mode::strict, py::Mode::shared, py::Mode::main}) {
    if (name == to_string(mode)) return mode;
  }
  throw std::invalid_argument(fmt::format("unknown mode \"{}\"", name));
}

// The kernel drops those that a full table cannot take (MSG_CTRUNC, unix(7)).
BarrenCommand barren(InterpNumber interp, std::size_t wanted, std::size_t came) {
  return {interp, fmt::format("{} of {} descriptors arrived in the host: Too many open files", came, wanted)};
}

Result<Command> make_from(const Json& json, std::vector<Fd> descriptors) {
  MakeCommand make;
  make.interp = json.at("interp");
  make.app = json.value("app", "");
  make.generation = json.value("generation", std::uint64_t{0});
  make.mode = mode_from(json.at("mode"));
  make.threads = json.at("threads");
  make.spec = spec_from(json.at("spec"));
  make.spare = json.value("spare", false);
  make.modules = strings(json, "modules");
  make.sources = strings(json, "sources");
  if (make.threads == 0 || descriptors.size() != make.threads + 2) {
    return barren(make.interp, make.threads + 2, descriptors.size());
  }
  make.snapshot = std::move(descriptors[0]);
  make.log = std::move(descriptors[1]);
  for (std::size_t i = 2; i < descriptors.size(); ++i) make.lanes.push_back(std::move(descriptors[i]));
  return make;
}

Result<Command> load_from(const Json& json, std::vector<Fd> descriptors) {
  if (descriptors.size() != 1) return barren(json.at("interp"), 1, descriptors.size());
  return LoadCommand{json.at("interp"), json.at("generation"), json.value("cause", ""),
                     std::move(descriptors[0])};
}

Result<Command> command_from(const Json& json, std::vector<Fd> descriptors) {
  const std::string what = json.at("do");
  if (what == "make") return make_from(json, std::move(descriptors));
  if (what == "load") return load_from(json, std::move(descriptors));
  if (what == "loaded")
    return LoadedCommand{json.at("ask"), json.at("interp"), json.value("packages", false)};
  if (what == "retire") return RetireCommand{json.at("interp"), Seconds(json.value("timeout", 0.0))};
  if (what == "interrupt") return InterruptCommand{json.at("interp"), json.at("worker"), json.at("call")};
  if (what == "stack") {
    StackCommand stack{json.value("ask", std::uint64_t{0}),
                       json.value("interp", InterpNumber{0}),
                       {},
                       json.value("call", "")};
    if (json.contains("worker")) stack.worker = json.at("worker").get<std::size_t>();
    return stack;
  }
  if (what == "route")
    return RouteCommand{json.at("app"), json.at("interps").get<std::vector<InterpNumber>>()};
  if (what == "drain") return DrainCommand{json.at("interp")};
  if (what == "calls") return CallsCommand{json.at("ask")};
  if (what == "kill") return KillCommand{json.at("ask"), json.at("call")};
  if (what == "imports") return ImportsCommand{json.at("ask"), json.at("interp")};
  if (what == "stay") return StayCommand{json.at("ask"), json.at("interp")};
  if (what == "give_back") return GiveBackCommand{};
  if (what == "exit") return ExitCommand{};
  return bad(fmt::format("unknown command \"{}\"", what));
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// Halves the longest text or list until the packet is small enough: a packet that is too long
// would be lost whole.
std::string fit(Json json) {
  std::string packet = dump(json);
  while (packet.size() > kPacketLimit) {
    auto size_of = [](const Json& value) { return dump(value).size(); };
    auto longest = std::max_element(json.begin(), json.end(),
                                    [&](const Json& a, const Json& b) { return size_of(a) < size_of(b); });
    if (longest->is_array()) {
      longest->erase(longest->begin() + static_cast<std::ptrdiff_t>(longest->size() / 2), longest->end());
    } else {
      const auto text = longest->get<std::string>();
      *longest = text.substr(0, text.size() / 4) + "\n[...]\n" + text.substr(text.size() - text.size() / 4);
    }
    packet = dump(json);
  }
  return packet;
}

Json list_of(const std::vector<Extension>& extensions) {
  Json list = Json::array();
  for (const Extension& extension : extensions)
    list.push_back({{"module", extension.module}, {"path", extension.path}, {"kind", extension.kind}});
  return list;
}

Json object_of(const Refusal& refusal) {
  return {{"module", refusal.what},
          {"path", refusal.path},
          {"error", refusal.error},
          {"file", refusal.file},
          {"line", refusal.line}};
}

Json list_of(const std::vector<Refusal>& refusals) {
  Json list = Json::array();
  for (const Refusal& refusal : refusals) list.push_back(object_of(refusal));
  return list;
}

}  // namespace

Result<Command> decode_command(std::string_view packet, std::vector<Fd> descriptors) {
  try {
    MOULT_ASSIGN(const Json json, parse_json(packet));
    return command_from(json, std::move(descriptors));
  } catch (const std::exception& error) {
    return bad(fmt::format("command channel: {}", error.what()));
  }
}

void Events::booted() {
  std::string soabi(MOULT_EXT_SUFFIX);  // ".cpython-311-x86_64-linux-gnu.so"
  soabi = soabi.substr(1, soabi.rfind('.') - 1);
  const std::string version(Py_GetVersion());
  send(dump({{"event", "booted"},
             {"python", version.substr(0, version.find(' '))},
             {"pid", static_cast<std::int64_t>(::getpid())},
             {"soabi", soabi}}));
}

void Events::made(const MadeEvent& event) {
  send(fit({{"event", "made"},
            {"interp", event.interp},
            {"callable", event.callable},
            {"seconds", event.seconds.count()},
            {"modules", event.modules},
            {"files", event.files},
            {"extensions", list_of(event.extensions)},
            {"refused", list_of(event.refused)},
            {"hooks", event.hooks},
            {"exports", event.exports}}));
}

void Events::rejected(const RejectedEvent& event) {
  send(fit({{"event", "rejected"},
            {"interp", event.interp},
            {"stage", event.stage},
            {"error", event.error},
            {"traceback", event.traceback},
            {"file", event.file},
            {"line", event.line},
            {"refused", list_of(event.refused)}}));
}

void Events::opened(InterpNumber interp, const std::vector<std::string>& files) {
  send(fit({{"event", "opened"}, {"interp", interp}, {"files", files}}));
}

void Events::written(InterpNumber interp, const std::string& file) {
  send(fit({{"event", "opened"}, {"interp", interp}, {"files", Json::array()}, {"written", {file}}}));
}

void Events::spare(InterpNumber interp, const std::vector<std::string>& names) {
  send(fit({{"event", "spare"}, {"interp", interp}, {"names", names}}));
}

void Events::loaded(std::uint64_t ask, const std::vector<std::string>& names,
                    const std::vector<std::string>& sources, std::string_view why) {
  send(fit({{"event", "loaded"},
            {"ask", ask},
            {"names", names},
            {"sources", sources},
            {"why", std::string(why)}}));
}

void Events::retired(InterpNumber interp, Seconds seconds) {
  send(dump({{"event", "retired"}, {"interp", interp}, {"seconds", seconds.count()}}));
}

void Events::abandoned(InterpNumber interp, std::string_view why, const std::vector<std::string>& threads) {
  send(fit({{"event", "abandoned"}, {"interp", interp}, {"why", std::string(why)}, {"threads", threads}}));
}

void Events::stack(std::uint64_t ask, InterpNumber interp, std::string_view text) {
  send(fit({{"event", "stack"}, {"ask", ask}, {"interp", interp}, {"text", std::string(text)}}));
}

void Events::caller(InterpNumber interp, const Fd& lane) {
  send(dump({{"event", "caller"}, {"interp", interp}}), lane.get());
}

void Events::output(InterpNumber interp, const Fd& read_end) {
  send(dump({{"event", "output"}, {"interp", interp}}), read_end.get());
}

void Events::exported(InterpNumber interp) { send(dump({{"event", "exported"}, {"interp", interp}})); }

void Events::drained(InterpNumber interp) { send(dump({{"event", "drained"}, {"interp", interp}})); }

void Events::calls(std::uint64_t ask, const std::vector<RunningCall>& calls) {
  Json list = Json::array();
  for (const RunningCall& call : calls) {
    list.push_back({{"call", call.call},
                    {"app", call.app},
                    {"generation", call.generation},
                    {"interp", call.interp},
                    {"function", call.function},
                    {"caller", call.caller},
                    {"seconds", call.seconds.count()},
                    {"depth", call.depth}});
  }
  send(fit({{"event", "calls"}, {"ask", ask}, {"calls", list}}));
}

void Events::killed(std::uint64_t ask, bool found) {
  send(dump({{"event", "killed"}, {"ask", ask}, {"found", found}}));
}

void Events::stayed(std::uint64_t ask) { send(dump({{"event", "stayed"}, {"ask", ask}})); }

void Events::imports(std::uint64_t ask, const std::vector<ImportedModule>& modules, std::size_t left_out,
                     std::string_view error) {
  Json packet{{"event", "imports"}, {"ask", ask}, {"left_out", left_out}, {"error", std::string(error)}};
  Json batch = Json::array();
  std::size_t size = 0;
  const auto flush = [&](bool more) {
    packet["modules"] = std::exchange(batch, Json::array());
    packet["more"] = more;
    send(fit(packet));
    size = 0;
  };
  for (const ImportedModule& module : modules) {
    Json row{{"module", module.module}, {"file", module.file},       {"kind", module.kind},
             {"hash", module.hash},     {"seconds", module.seconds}, {"own_seconds", module.own_seconds},
             {"code", module.code},     {"phase", module.phase},     {"interpreters", module.interpreters},
             {"error", module.error}};
    const std::size_t row_size = dump(row).size() + 1;
    if (size + row_size > kBatchLimit && !batch.empty()) flush(true);
    batch.push_back(std::move(row));
    size += row_size;
  }
  flush(false);
}

void Events::asks(InterpNumber interp, std::string_view what) {
  send(dump({{"event", "asks"}, {"interp", interp}, {"what", std::string(what)}}));
}

void Events::tainted(InterpNumber interp, std::string_view why) {
  send(fit({{"event", "tainted"}, {"interp", interp}, {"why", std::string(why)}}));
}

void Events::notice(const NoticeEvent& event) {
  send(fit({{"event", "notice"},
            {"interp", event.interp},
            {"level", event.level},
            {"text", event.text},
            {"file", event.file},
            {"line", event.line}}));
}

void Events::refused(InterpNumber interp, const Refusal& refusal) {
  Json event = object_of(refusal);
  event.update({{"event", "refused"}, {"interp", interp}});
  send(fit(std::move(event)));
}

void Events::stalled(const Holder& holder, Stalled who, Seconds since) {
  Json event{{"event", "stalled"},      {"interp", holder.interp},        {"what", holder.what},
             {"text", holder.function}, {"alone", who == Stalled::alone}, {"seconds", since.count()}};
  if (holder.worker) event["worker"] = *holder.worker;
  send(fit(std::move(event)));
}

void Events::revived(InterpNumber interp, Seconds after) {
  send(dump({{"event", "revived"}, {"interp", interp}, {"seconds", after.count()}}));
}

void Events::process_wide(InterpNumber interp, std::string_view what, std::string_view value) {
  send(fit({{"event", "process_wide"},
            {"interp", interp},
            {"what", std::string(what)},
            {"value", std::string(value)}}));
}

void Events::send(std::string packet, int descriptor) {
  iovec slice{packet.data(), packet.size()};
  msghdr message{};
  message.msg_iov = &slice;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {};
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  const std::scoped_lock lock(mutex_);
  while (::sendmsg(channel_, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

}  // namespace moult
