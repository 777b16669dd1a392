#pragma once

#include "ipc/base/result.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// The messages of a command channel as values; ipc/PROTOCOL.md is their description. The only file
// of this folder that knows their JSON is command.cpp.

struct EntrySpec {
  std::string kind;  // "file", "module", "django"
  std::string path;
  std::string module;
  std::string callable;
};

// What an interpreter needs to know of its app.
struct InterpreterSpec {
  std::string tree;
  std::vector<std::string> roots;
  EntrySpec entry;
  std::vector<std::string> path;
  std::string cwd;
  std::map<std::string, std::string> env;
  std::string venv;
  std::vector<std::string> argv;
  std::string script_name;
  bool debug = false;
  bool multiprocess = false;
  std::vector<std::string> preimport;
  std::vector<std::string> warnings;
  std::string signals;
  std::vector<std::string> python_flags;
  std::string cause;                      // why its generation was made, a word of docs/control.md
  std::string log_imports;                // "": no; else what the lines say of why the code was loaded
  int host = 0;                           // the number of its host
  std::vector<std::string> preload;       // modules to import before the entry
  std::vector<std::string> exports;       // "module:function"
  std::vector<std::string> static_paths;  // "/static/": what the daemon serves from folders
  std::uint64_t max_payload = 0;          // bytes
  int scratch_interpreters = 0;
  bool may_move = false;  // what refuses its interpreter moves the app to a process
};

struct MakeCommand {
  std::uint64_t interp = 0;
  std::string app;
  std::uint64_t generation = 0;
  std::string mode;
  int threads = 0;
  InterpreterSpec spec;
  bool spare = false;                // its code comes by encode_load()
  std::vector<std::string> modules;  // to import meanwhile
  std::vector<std::string> sources;  // and files to compile, as `loaded` told them
};

// The code of a spare, and what it is then.
struct LoadCommand {
  std::uint64_t generation = 0;
  std::string cause;
};

std::string encode_make(const MakeCommand& command);
std::string encode_load(std::uint64_t interp, const LoadCommand& command);
std::string encode_loaded(std::uint64_t ask, std::uint64_t interp, bool packages);
std::string encode_retire(std::uint64_t interp, double timeout_seconds);
std::string encode_interrupt(std::uint64_t interp, int worker, std::uint64_t call);
// Calls of `app` made in that host enter one of `interps`; none: they go through the daemon.
std::string encode_route(const std::string& app, const std::vector<std::uint64_t>& interps);
std::string encode_drain(std::uint64_t interp);
std::string encode_give_back();
// `ask` is a number of the sender's choice that comes back with the answer.
std::string encode_calls(std::uint64_t ask);
std::string encode_kill(std::uint64_t ask, const std::string& call);
std::string encode_imports(std::uint64_t ask, std::uint64_t interp);
std::string encode_stay(std::uint64_t ask, std::uint64_t interp);

// Whose Python stack is wanted: of all threads of an interpreter, of one of its workers, or of a call
// that the host has named itself.
struct StackCommand {
  std::uint64_t ask = 0;
  std::uint64_t interp = 0;
  std::optional<int> worker{};
  std::string call{};  // when set, the other two have no meaning
};
std::string encode_stack(const StackCommand& command);
std::string encode_exit();

// An extension module that an interpreter loaded, or what refused it: such a module, or a call that would
// change the whole process ("resource.setrlimit()").
struct ExtensionNote {
  std::string module;
  std::string path;
  std::string kind;    // of a loaded one: "multi-phase", "single-phase", ""
  std::string error;   // of what refused
  std::string file{};  // where the app came upon that
  int line = 0;
};

// A call that entered an interpreter from another one of its host, as the host tells of it.
struct HostCall {
  std::string call;  // its name: "h1-12"
  std::string app;
  std::uint64_t generation = 0;
  std::uint64_t interp = 0;
  std::string function;
  std::string caller;  // the app that calls
  double seconds = 0;
  int depth = 0;
};

// A module of an interpreter, or an extension module that it refused (ipc/PROTOCOL.md, `imports`).
struct ModuleNote {
  std::string module;
  std::string file;
  std::string kind;
  std::string hash;
  double seconds = -1;
  double own_seconds = -1;
  std::string code;
  std::string phase;
  std::string interpreters;
  std::string error;
};

enum class HostEventType {
  booted,
  made,
  rejected,
  opened,
  spare,
  loaded,
  retired,
  abandoned,
  stack,
  caller,
  output,
  exported,
  drained,
  calls,
  killed,
  imports,
  stayed,
  asks,
  tainted,
  notice,
  process_wide,
  refused,
  stalled,
  revived,
  crashed
};

// One event; only the members that belong to its type are set.
struct HostEvent {
  HostEventType type = HostEventType::notice;
  std::uint64_t interp = 0;
  std::string python;
  std::string callable;
  double seconds = 0;
  int modules = 0;
  std::vector<std::string> files;
  std::vector<std::string> written;  // of opened
  std::vector<ExtensionNote> extensions;
  std::vector<ExtensionNote> refused;  // of `refused`: one
  std::string stage;
  std::string error;
  std::string traceback;
  std::string file;
  int line = 0;
  std::string why;
  std::vector<std::string> threads;
  std::string level;
  std::string text;
  std::string what;
  std::string value;
  std::uint64_t ask = 0;  // of answers: that of the command
  std::vector<std::string> names;
  std::vector<std::string> sources;
  int exports = 0;  // functions that calls can reach
  std::vector<std::string> hooks;
  std::vector<HostCall> calls;
  bool found = false;
  std::vector<ModuleNote> imports;
  std::optional<int> worker;  // of stalled
  bool alone = false;         // stalled: it keeps nobody else waiting
  bool more = false;          // imports: another event with the rest follows
  std::uint64_t left_out = 0;
};

// ErrorCode::protocol when it is no event of ours.
Result<HostEvent> decode_event(std::string_view packet);

}  // namespace moult
