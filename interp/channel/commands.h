#pragma once

#include "interp/py/interpreter.h"
#include "ipc/base/clock.h"
#include "ipc/base/fd.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace moult {

using InterpNumber = std::uint64_t;

// Where the app's callable is found.
struct Entry {
  std::string kind;      // "file", "module", "django"
  std::string target;    // a path, or a dotted name
  std::string callable;  // "": application, app, create_app() are tried
};

// What the daemon says about an app when it has an interpreter made (ipc/PROTOCOL.md, `spec`).
// A value; the home of that interpreter keeps it.
struct Spec {
  std::string tree;
  std::vector<std::string> roots;
  Entry entry;
  std::vector<std::string> path;
  std::string cwd;
  std::vector<std::pair<std::string, std::string>> env;
  std::string venv;
  std::vector<std::string> argv;
  std::string script_name;
  bool debug = false;
  bool multiprocess = false;
  std::vector<std::string> preimport;
  std::vector<std::string> warnings;
  std::string signals;
  std::vector<std::string> python_flags;
  std::string cause;
  std::string log_imports;  // what its lines say of the reason; "": there are none
  int host = 0;
  std::vector<std::string> preload;  // modules that are imported before the entry
  std::vector<std::string> exports;
  std::vector<std::string> static_paths;  // that the daemon serves from folders
  std::size_t max_payload = 16 << 20;
  int scratch_interpreters = 0;
  bool may_move = false;  // isolation = "auto": what refuses a sub-interpreter moves the app to a process
};

struct MakeCommand {
  InterpNumber interp = 0;
  InterpNumber owner = 0;  // of a scratch interpreter: whose it is
  std::string app;
  std::uint64_t generation = 0;
  py::Mode mode = py::Mode::shared;
  std::size_t threads = 1;
  Spec spec;
  bool spare = false;                // its code comes later, by LoadCommand
  std::vector<std::string> modules;  // that a spare imports meanwhile
  std::vector<std::string> sources;  // files that it compiles, by folder (ipc/PROTOCOL.md)
  Fd snapshot;                       // of a spare: an empty one
  Fd log;
  std::vector<Fd> lanes;
};
// The code of a spare, which is of that generation from then on.
struct LoadCommand {
  InterpNumber interp = 0;
  std::uint64_t generation = 0;
  std::string cause;
  Fd snapshot;
};
// Asks what a spare that is to follow this interpreter should import.
struct LoadedCommand {
  std::uint64_t ask = 0;
  InterpNumber interp = 0;
  bool packages = false;  // installed ones too
};
// A `make` or `load` whose descriptors did not arrive: the process has none left.
struct BarrenCommand {
  InterpNumber interp = 0;
  std::string why;
};
struct RetireCommand {
  InterpNumber interp = 0;
  Seconds timeout{};
};
struct InterruptCommand {
  InterpNumber interp = 0;
  std::size_t worker = 0;
  std::uint64_t call = 0;
};
struct StackCommand {
  std::uint64_t ask = 0;
  InterpNumber interp = 0;
  std::optional<std::size_t> worker;  // one thread alone
  std::string call;                   // or that of an entered call: "h1-12"
  unsigned long thread = 0;           // the thread of that call, found in the host
};
struct RouteCommand {
  std::string app;
  std::vector<InterpNumber> interps;
};
struct DrainCommand {
  InterpNumber interp = 0;
};
struct CallsCommand {
  std::uint64_t ask = 0;
};
struct KillCommand {
  std::uint64_t ask = 0;
  std::string call;
};
struct ImportsCommand {
  std::uint64_t ask = 0;
  InterpNumber interp = 0;
};
// There is no process for this app: what refuses its interpreter is the app's own matter from now on.
struct StayCommand {
  std::uint64_t ask = 0;
  InterpNumber interp = 0;
};
// What waits for the GIL before it has begun is served by another generation.
struct GiveBackCommand {};
struct ExitCommand {};

using Command = std::variant<BarrenCommand, MakeCommand, LoadCommand, LoadedCommand, RetireCommand,
                             InterruptCommand, StackCommand, RouteCommand, DrainCommand, CallsCommand,
                             KillCommand, ImportsCommand, StayCommand, GiveBackCommand, ExitCommand>;

// One packet of the command channel with the descriptors that came with it.
Result<Command> decode_command(std::string_view packet, std::vector<Fd> descriptors);

}  // namespace moult
