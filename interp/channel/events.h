#pragma once

#include "interp/channel/commands.h"
#include "interp/threads/forked.h"
#include "interp/threads/heartbeat.h"

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// An extension module that an interpreter loaded.
struct Extension {
  std::string module;
  std::string path;
  std::string kind;  // "multi-phase", "single-phase", ""
};

// What cannot be in a sub-interpreter, and where the app came upon it (boot/verdict.py).
struct Refusal {
  std::string what;   // an extension module, or a call: "resource.setrlimit()"
  std::string path;   // of the module
  std::string error;  // what it said
  std::string file;
  int line = 0;
};

struct MadeEvent {
  InterpNumber interp = 0;
  std::string callable;
  Seconds seconds{};
  std::size_t modules = 0;
  std::vector<std::string> files;
  std::vector<Extension> extensions;
  std::vector<Refusal> refused;
  std::vector<std::string> hooks;
  std::size_t exports = 0;
};

struct RejectedEvent {
  InterpNumber interp = 0;
  std::string stage;  // "boot", "import", "callable"
  std::string error;
  std::string traceback;
  std::string file;
  int line = 0;
  std::vector<Refusal> refused;
};

// Whom a GIL that is kept keeps waiting: all that share it, or the interpreter whose own it is.
enum class Stalled { all, alone };

struct NoticeEvent {
  InterpNumber interp = 0;  // 0: the host itself
  std::string level;
  std::string text;
  std::string file{};
  int line = 0;
};

// A call that entered an interpreter from another one of this host.
struct RunningCall {
  std::string call;  // "h1-12"
  std::string app;
  std::uint64_t generation = 0;
  InterpNumber interp = 0;
  std::string function;
  std::string caller;
  Seconds seconds{};
  int depth = 0;
};

// A module that an interpreter has, or an extension module that it refused.
struct ImportedModule {
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
};

// The host's end of the command channel, as far as it speaks: each function sends one packet and
// may block while the daemon is busy, so no caller has a GIL. One per process, built by main;
// used by every thread. When the daemon is gone the packets are dropped: the commander notices.
class Events {
 public:
  explicit Events(int channel) : channel_(channel) {}
  virtual ~Events() = default;
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  int channel() const { return channel_; }
  void hold_over_forks() { forked::hold(mutex_); }

  void booted();
  virtual void made(const MadeEvent& event);
  virtual void rejected(const RejectedEvent& event);
  void opened(InterpNumber interp, const std::vector<std::string>& files);
  void written(InterpNumber interp, const std::string& file);
  void spare(InterpNumber interp, const std::vector<std::string>& names);
  void loaded(std::uint64_t ask, const std::vector<std::string>& names,
              const std::vector<std::string>& sources, std::string_view why);
  virtual void retired(InterpNumber interp, Seconds seconds);
  virtual void abandoned(InterpNumber interp, std::string_view why, const std::vector<std::string>& threads);
  void stack(std::uint64_t ask, InterpNumber interp, std::string_view text);
  void caller(InterpNumber interp, const Fd& lane);
  void output(InterpNumber interp, const Fd& read_end);
  void exported(InterpNumber interp);
  void drained(InterpNumber interp);
  void calls(std::uint64_t ask, const std::vector<RunningCall>& calls);
  void killed(std::uint64_t ask, bool found);
  void stayed(std::uint64_t ask);
  // In as many packets as it takes. `error`: why there are none.
  void imports(std::uint64_t ask, const std::vector<ImportedModule>& modules, std::size_t left_out,
               std::string_view error);
  void asks(InterpNumber interp, std::string_view what);
  void tainted(InterpNumber interp, std::string_view why);
  virtual void notice(const NoticeEvent& event);
  void refused(InterpNumber interp, const Refusal& refusal);  // after it was made
  void process_wide(InterpNumber interp, std::string_view what, std::string_view value);
  void stalled(const Holder& holder, Stalled who, Seconds since);
  void revived(InterpNumber interp, Seconds after);  // 0: those that share the GIL

 private:
  void send(std::string packet, int descriptor = -1);

  int channel_;
  std::mutex mutex_;
};

}  // namespace moult
