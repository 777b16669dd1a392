#pragma once

#include "ipc/base/clock.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// What the daemon tells a host: the one description of these packets, for both ends. ipc/PROTOCOL.md
// says what they mean and which descriptors come with them; ipc/host_protocol.h makes bytes of them.
//
// Each struct lists its members once, for writing and for reading, as names and values by turns: need() those
// that must be there, have() those that are as here when they are missing, may_have() those that are also
// left out while they are empty.

namespace moult {

using InterpNumber = std::uint64_t;

// How an interpreter shares its process with others (design.md section 7).
enum class InterpreterMode {
  own,     // a GIL of its own, with the check of extension modules (3.14.4 and later)
  strict,  // the process' GIL, with the check (3.12 and later)
  shared,  // the process' GIL, no check
  main,    // the main interpreter itself: process isolation
};
std::string_view to_string(InterpreterMode mode);

// Where the app's callable is found.
struct EntrySpec {
  std::string kind;  // "file", "module", "django"
  std::string path;
  std::string module;
  std::string callable;  // "": application, app, create_app() are tried

  const std::string& target() const { return path.empty() ? module : path; }
  static void members(auto& it, auto& list) {
    list.need("kind", it.kind);
    list.have("path", it.path, "module", it.module, "callable", it.callable);
  }
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
  std::string signals = "ignore";
  std::vector<std::string> python_flags;
  std::string cause;                      // why its generation was made, a word of docs/control.md
  std::string log_imports;                // "": no; else what the lines say of why the code was loaded
  int host = 0;                           // the number of its host
  std::vector<std::string> preload;       // modules to import before the entry
  std::vector<std::string> exports;       // "module:function"
  std::vector<std::string> static_paths;  // "/static/": what the daemon serves from folders
  std::uint64_t max_payload = 16 << 20;   // bytes
  int scratch_interpreters = 0;
  bool may_move = false;    // isolation = "auto": what refuses its interpreter moves the app to a process
  Seconds worker_idle{30};  // a worker that was not needed for so long ends
  static void members(auto& it, auto& list) {
    list.need("entry", it.entry);
    list.have("tree", it.tree, "roots", it.roots, "path", it.path, "cwd", it.cwd, "env", it.env);
    list.have("venv", it.venv, "argv", it.argv, "script_name", it.script_name, "debug", it.debug);
    list.have("multiprocess", it.multiprocess, "preimport", it.preimport, "warnings", it.warnings);
    list.have("signals", it.signals, "python_flags", it.python_flags, "cause", it.cause);
    list.have("log_imports", it.log_imports, "host", it.host, "preload", it.preload);
    list.have("exports", it.exports, "static", it.static_paths, "max_payload", it.max_payload);
    list.have("scratch_interpreters", it.scratch_interpreters, "may_move", it.may_move);
    list.have("worker_idle", it.worker_idle);
  }
};

struct MakeCommand {
  static constexpr std::string_view kName = "make";
  InterpNumber interp = 0;
  std::string app;
  std::uint64_t generation = 0;
  InterpreterMode mode = InterpreterMode::shared;
  int threads = 0;
  InterpreterSpec spec;
  bool spare = false;                     // its code comes later, by LoadCommand
  std::vector<std::string> modules = {};  // that a spare imports meanwhile
  std::vector<std::string> sources = {};  // and files that it compiles, as `loaded` told them
  static void members(auto& it, auto& list) {
    list.need("interp", it.interp, "mode", it.mode, "threads", it.threads, "spec", it.spec);
    list.have("app", it.app, "generation", it.generation);
    list.may_have("spare", it.spare);
    if (it.spare) list.have("modules", it.modules, "sources", it.sources);
  }
};

// The code of a spare, which is of that generation from then on.
struct LoadCommand {
  static constexpr std::string_view kName = "load";
  InterpNumber interp = 0;
  std::uint64_t generation = 0;
  std::string cause;
  static void members(auto& it, auto& list) {
    list.need("interp", it.interp, "generation", it.generation);
    list.have("cause", it.cause);
  }
};

// Asks what a spare that is to follow this interpreter should import. `ask` is a number of the sender's
// choice that comes back with the answer, here and below.
struct LoadedCommand {
  static constexpr std::string_view kName = "loaded";
  std::uint64_t ask = 0;
  InterpNumber interp = 0;
  bool packages = false;  // installed ones too
  static void members(auto& it, auto& list) {
    list.need("ask", it.ask, "interp", it.interp);
    list.have("packages", it.packages);
  }
};

struct RetireCommand {
  static constexpr std::string_view kName = "retire";
  InterpNumber interp = 0;
  Seconds timeout{};
  static void members(auto& it, auto& list) {
    list.need("interp", it.interp);
    list.have("timeout", it.timeout);
  }
};

struct InterruptCommand {
  static constexpr std::string_view kName = "interrupt";
  InterpNumber interp = 0;
  std::uint64_t call = 0;
  static void members(auto& it, auto& list) { list.need("interp", it.interp, "call", it.call); }
};

// Whose Python stack is wanted: of all threads of an interpreter, of one of its workers, or of a call
// that the host has named itself.
struct StackCommand {
  static constexpr std::string_view kName = "stack";
  std::uint64_t ask = 0;
  InterpNumber interp = 0;
  std::optional<std::size_t> worker{};
  std::string call{};  // "h1-12"; when set, the other two have no meaning
  static void members(auto& it, auto& list) {
    list.have("ask", it.ask);
    list.may_have("call", it.call);
    if (!it.call.empty()) return;
    list.have("interp", it.interp);
    list.may_have("worker", it.worker);
  }
};

// Calls of `app` made in that host enter one of `interps`; none: they go through the daemon.
struct RouteCommand {
  static constexpr std::string_view kName = "route";
  std::string app;
  std::vector<InterpNumber> interps;
  static void members(auto& it, auto& list) { list.need("app", it.app, "interps", it.interps); }
};

struct DrainCommand {
  static constexpr std::string_view kName = "drain";
  InterpNumber interp = 0;
  static void members(auto& it, auto& list) { list.need("interp", it.interp); }
};

struct CallsCommand {
  static constexpr std::string_view kName = "calls";
  std::uint64_t ask = 0;
  static void members(auto& it, auto& list) { list.need("ask", it.ask); }
};

struct KillCommand {
  static constexpr std::string_view kName = "kill";
  std::uint64_t ask = 0;
  std::string call;
  static void members(auto& it, auto& list) { list.need("ask", it.ask, "call", it.call); }
};

struct ImportsCommand {
  static constexpr std::string_view kName = "imports";
  std::uint64_t ask = 0;
  InterpNumber interp = 0;
  static void members(auto& it, auto& list) { list.need("ask", it.ask, "interp", it.interp); }
};

// There is no process for this app: what refuses its interpreter is the app's own matter from now on.
struct StayCommand {
  static constexpr std::string_view kName = "stay";
  std::uint64_t ask = 0;
  InterpNumber interp = 0;
  static void members(auto& it, auto& list) { list.need("ask", it.ask, "interp", it.interp); }
};

// What waits for the GIL before it has begun is served by another generation.
struct GiveBackCommand {
  static constexpr std::string_view kName = "give_back";
  InterpNumber interp = 0;  // 0: of all
  static void members(auto& it, auto& list) { list.have("interp", it.interp); }
};

struct ExitCommand {
  static constexpr std::string_view kName = "exit";
  static void members(auto&, auto&) {}
};

using HostCommand = std::variant<MakeCommand, LoadCommand, LoadedCommand, RetireCommand, InterruptCommand,
                                 StackCommand, RouteCommand, DrainCommand, CallsCommand, KillCommand,
                                 ImportsCommand, StayCommand, GiveBackCommand, ExitCommand>;

}  // namespace moult
