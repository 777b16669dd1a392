#pragma once

#include "interp/calls/caller_lane.h"
#include "interp/calls/directory.h"
#include "interp/calls/thread_calls.h"
#include "interp/channel/events.h"
#include "interp/channel/log_pipe.h"
#include "interp/imports/boot_code.h"
#include "interp/imports/code_cache.h"
#include "interp/imports/extension_files.h"
#include "interp/imports/import_book.h"
#include "interp/imports/opened_files.h"
#include "interp/imports/snapshot_map.h"
#include "interp/py/ref.h"
#include "interp/threads/main_thread.h"
#include "interp/threads/sleepers.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <vector>

namespace moult {

class Scratches;

// The pipe that the children of one interpreter write to where the app gives them nothing else: its lines are
// those of this app and generation. Made for the first child; the daemon reads it until the last one is gone.
class ChildOutput {
 public:
  // Its writing end; -1: there is none. Without a GIL.
  int descriptor(Events& events, InterpNumber interp);

 private:
  std::mutex mutex_;
  Fd write_end_;
};

// What the native functions of one interpreter work on; the Python of interp/boot sees them as the
// module `_moult`. Owned by the interpreter's home, which outlives the interpreter; used by all
// threads of it.
struct Natives {
  InterpNumber interp = 0;
  std::optional<SnapshotMap> snapshot;
  LogPipe log;
  OpenedFiles opened;
  Events& events;
  MainThread& main_thread;
  CodeCache& code;
  ExtensionFiles& extensions;
  bool is_main = false;
  // Calls of functions of other apps, and of this one's.
  const BootCode& boot;
  Directory& directory;
  CallBook& book;
  std::shared_ptr<Entrance> entrance;
  std::unique_ptr<CallerLanes> lanes;
  std::size_t max_payload = 0;
  int host = 0;                    // its number in the daemon
  Scratches* scratches = nullptr;  // the home's
  bool told_exports = false;       // the daemon knows that there are some
  Py_ssize_t modules_seen = 0;     // the size of sys.modules when it was last looked through
  ImportBook imports{};
  Sleepers sleepers{};
  ChildOutput children{};
  std::atomic<bool> may_move = false;  // what refuses this interpreter moves the app to a process
};

// The `self` of native functions.
Natives& natives_of(PyObject* capsule);

// Makes the module `_moult`, puts it into sys.modules of the attached interpreter and returns it.
// Null with an exception pending.
py::Ref add_native_module(const py::Attached& py, Natives& natives);

// Text for the app's log; waits as LogPipe says, with the GIL released.
void log_text(const py::Attached& py, Natives& natives, char stream, std::string_view text);
void log_rest(const py::Attached& py, Natives& natives);

// Tells the daemon about files that were opened, or imported from outside the snapshot, since the
// last time. Costs nothing when there are none.
void tell_opened(const py::Attached& py, Natives& natives);

}  // namespace moult
