#pragma once

#include "ipc/host_commands.h"

// What a host tells the daemon, described as the commands are (ipc/host_commands.h). No member is needed: an
// event without `interp` belongs to no interpreter.

namespace moult {

// An extension module that an interpreter loaded.
struct ExtensionNote {
  std::string module;
  std::string path;
  std::string kind;  // "multi-phase", "single-phase", ""
  static void members(auto& it, auto& list) {
    list.have("module", it.module, "path", it.path, "kind", it.kind);
  }
};

// What cannot be in a sub-interpreter, and where the app came upon it (interp/boot/verdict.py).
struct RefusalNote {
  std::string module;  // an extension module, or a call: "resource.setrlimit()"
  std::string path;    // of the module
  std::string error;   // what it said
  std::string file{};
  int line = 0;
  static void members(auto& it, auto& list) {
    list.have("module", it.module, "path", it.path, "error", it.error, "file", it.file, "line", it.line);
  }
};

// A call that entered an interpreter from another one of its host.
struct HostCall {
  std::string call;  // its name: "h1-12"
  std::string app;
  std::uint64_t generation = 0;
  InterpNumber interp = 0;
  std::string function;
  std::string caller;  // the app that calls
  Seconds seconds{};
  int depth = 0;
  static void members(auto& it, auto& list) {
    list.have("call", it.call, "app", it.app, "generation", it.generation, "interp", it.interp);
    list.have("function", it.function, "caller", it.caller, "seconds", it.seconds, "depth", it.depth);
  }
};

// A module that an interpreter has, or an extension module that it refused.
struct ModuleNote {
  std::string module;
  std::string file;
  std::string kind;          // "source", "extension", "built-in"…
  std::string hash;          // of a source of the snapshot
  double seconds = -1;       // below 0: not imported by `import`
  double own_seconds = -1;   // without the imports that it led to
  std::string code;          // of a source of the snapshot: "compiled" or "cached"
  std::string phase;         // of an extension: "multi-phase", "single-phase", ""
  std::string interpreters;  // of an extension: "own-gil", "shared-gil", "one", ""
  std::string error;         // of a refused extension
  static void members(auto& it, auto& list) {
    list.have("module", it.module, "file", it.file, "kind", it.kind, "hash", it.hash);
    list.have("seconds", it.seconds, "own_seconds", it.own_seconds, "code", it.code, "phase", it.phase);
    list.have("interpreters", it.interpreters, "error", it.error);
  }
};

// What tells of an interpreter and nothing else.
struct OfInterpreter {
  InterpNumber interp = 0;
  static void members(auto& it, auto& list) { list.have("interp", it.interp); }
};

struct BootedEvent {
  static constexpr std::string_view kName = "booted";
  std::string python;  // "3.11.2"
  int pid = 0;
  std::string soabi;
  static void members(auto& it, auto& list) {
    list.have("python", it.python, "pid", it.pid, "soabi", it.soabi);
  }
};

struct MadeEvent {
  static constexpr std::string_view kName = "made";
  InterpNumber interp = 0;
  std::string callable;
  Seconds seconds{};
  std::size_t modules = 0;
  std::vector<std::string> files;
  std::vector<ExtensionNote> extensions;
  std::vector<RefusalNote> refused;
  std::vector<std::string> hooks;
  std::size_t exports = 0;  // functions that calls can reach
  static void members(auto& it, auto& list) {
    list.have("interp", it.interp, "callable", it.callable, "seconds", it.seconds, "modules", it.modules);
    list.have("files", it.files, "extensions", it.extensions, "refused", it.refused, "hooks", it.hooks);
    list.have("exports", it.exports);
  }
};

struct RejectedEvent {
  static constexpr std::string_view kName = "rejected";
  InterpNumber interp = 0;
  std::string stage;  // "boot", "import", "callable", "descriptors"
  std::string error;
  std::string traceback;
  std::string file{};
  int line = 0;
  std::vector<RefusalNote> refused{};
  static void members(auto& it, auto& list) {
    list.have("interp", it.interp, "stage", it.stage, "error", it.error, "traceback", it.traceback);
    list.have("file", it.file, "line", it.line, "refused", it.refused);
  }
};

struct OpenedEvent {
  static constexpr std::string_view kName = "opened";
  InterpNumber interp = 0;
  std::vector<std::string> files;
  std::vector<std::string> written{};
  static void members(auto& it, auto& list) {
    list.have("interp", it.interp, "files", it.files);
    list.may_have("written", it.written);
  }
};

struct SpareEvent {
  static constexpr std::string_view kName = "spare";
  InterpNumber interp = 0;
  std::vector<std::string> names;
  static void members(auto& it, auto& list) { list.have("interp", it.interp, "names", it.names); }
};

struct LoadedEvent {
  static constexpr std::string_view kName = "loaded";
  std::uint64_t ask = 0;
  std::vector<std::string> names;
  std::vector<std::string> sources;
  std::string why;
  static void members(auto& it, auto& list) {
    list.have("ask", it.ask, "names", it.names, "sources", it.sources, "why", it.why);
  }
};

struct RetiredEvent {
  static constexpr std::string_view kName = "retired";
  InterpNumber interp = 0;
  Seconds seconds{};
  static void members(auto& it, auto& list) { list.have("interp", it.interp, "seconds", it.seconds); }
};

struct AbandonedEvent {
  static constexpr std::string_view kName = "abandoned";
  InterpNumber interp = 0;
  std::string why;
  std::vector<std::string> threads;
  static void members(auto& it, auto& list) {
    list.have("interp", it.interp, "why", it.why, "threads", it.threads);
  }
};

struct StackEvent {
  static constexpr std::string_view kName = "stack";
  std::uint64_t ask = 0;
  InterpNumber interp = 0;
  std::string text;
  static void members(auto& it, auto& list) {
    list.have("ask", it.ask, "interp", it.interp, "text", it.text);
  }
};

struct CallerEvent : OfInterpreter {
  static constexpr std::string_view kName = "caller";
};

struct OutputEvent : OfInterpreter {
  static constexpr std::string_view kName = "output";
};

struct ExportedEvent : OfInterpreter {
  static constexpr std::string_view kName = "exported";
};

struct DrainedEvent : OfInterpreter {
  static constexpr std::string_view kName = "drained";
};

struct CallsEvent {
  static constexpr std::string_view kName = "calls";
  std::uint64_t ask = 0;
  std::vector<HostCall> calls;
  static void members(auto& it, auto& list) { list.have("ask", it.ask, "calls", it.calls); }
};

struct KilledEvent {
  static constexpr std::string_view kName = "killed";
  std::uint64_t ask = 0;
  bool found = false;
  static void members(auto& it, auto& list) { list.have("ask", it.ask, "found", it.found); }
};

struct StayedEvent {
  static constexpr std::string_view kName = "stayed";
  std::uint64_t ask = 0;
  static void members(auto& it, auto& list) { list.have("ask", it.ask); }
};

struct ImportsEvent {
  static constexpr std::string_view kName = "imports";
  std::uint64_t ask = 0;
  std::vector<ModuleNote> modules;
  std::uint64_t left_out = 0;
  std::string error;  // why there are none
  bool more = false;  // another event with the rest follows
  static void members(auto& it, auto& list) {
    list.have("ask", it.ask, "modules", it.modules, "left_out", it.left_out, "error", it.error);
    list.have("more", it.more);
  }
};

struct AsksEvent {
  static constexpr std::string_view kName = "asks";
  InterpNumber interp = 0;
  std::string what;
  static void members(auto& it, auto& list) { list.have("interp", it.interp, "what", it.what); }
};

struct TaintedEvent {
  static constexpr std::string_view kName = "tainted";
  InterpNumber interp = 0;
  std::string why;
  static void members(auto& it, auto& list) { list.have("interp", it.interp, "why", it.why); }
};

// After it was made.
struct RefusedEvent {
  static constexpr std::string_view kName = "refused";
  InterpNumber interp = 0;
  RefusalNote what;
  static void members(auto& it, auto& list) {
    list.have("interp", it.interp);
    RefusalNote::members(it.what, list);
  }
};

struct NoticeEvent {
  static constexpr std::string_view kName = "notice";
  InterpNumber interp = 0;  // 0: the host itself
  std::string level;
  std::string text;
  std::string file{};
  int line = 0;
  static void members(auto& it, auto& list) {
    list.have("interp", it.interp, "level", it.level, "text", it.text, "file", it.file, "line", it.line);
  }
};

// Who keeps a GIL from all that share it, or keeps the one that is his interpreter's alone.
struct StalledEvent {
  static constexpr std::string_view kName = "stalled";
  InterpNumber interp = 0;      // of the app; 0: nobody knows
  std::string what;             // "call", "function", "import", "thread"
  std::optional<int> worker{};  // of a call
  std::string text{};           // the function that another app's call is in
  bool alone = false;           // it keeps nobody else waiting
  Seconds seconds{};
  static void members(auto& it, auto& list) {
    list.have("interp", it.interp, "what", it.what, "text", it.text, "alone", it.alone);
    list.have("seconds", it.seconds);
    list.may_have("worker", it.worker);
  }
};

struct RevivedEvent {
  static constexpr std::string_view kName = "revived";
  InterpNumber interp = 0;  // 0: those that share the GIL
  Seconds seconds{};
  static void members(auto& it, auto& list) { list.have("interp", it.interp, "seconds", it.seconds); }
};

// Written by a signal handler, without this codec (interp/host/last_words.cpp).
struct CrashedEvent : OfInterpreter {
  static constexpr std::string_view kName = "crashed";
};

struct ProcessWideEvent {
  static constexpr std::string_view kName = "process_wide";
  InterpNumber interp = 0;
  std::string what;
  std::string value;
  static void members(auto& it, auto& list) {
    list.have("interp", it.interp, "what", it.what, "value", it.value);
  }
};

using HostEvent =
    std::variant<BootedEvent, MadeEvent, RejectedEvent, OpenedEvent, SpareEvent, LoadedEvent, RetiredEvent,
                 AbandonedEvent, StackEvent, CallerEvent, OutputEvent, ExportedEvent, DrainedEvent,
                 CallsEvent, KilledEvent, StayedEvent, ImportsEvent, AsksEvent, TaintedEvent, RefusedEvent,
                 NoticeEvent, StalledEvent, RevivedEvent, CrashedEvent, ProcessWideEvent>;

}  // namespace moult
