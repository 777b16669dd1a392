#pragma once

#include "interp/boot/natives.h"
#include "interp/calls/directory.h"
#include "interp/host/worker.h"
#include "interp/imports/boot_code.h"
#include "interp/imports/extension_files.h"
#include "interp/py/interpreter.h"
#include "interp/threads/errands.h"
#include "interp/threads/heartbeat.h"
#include "interp/threads/turns.h"
#include "ipc/base/fd.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

namespace moult {

// What every home of a host uses; owned by main, outlives them all.
struct HostServices {
  Events& events;
  const BootCode& boot;
  MainThread& main_thread;
  CodeCache& code;
  Directory& directory;
  CallBook& book;
  Turns& turns;
  Errands& errands;
  ExtensionFiles& extensions;
  // Making an interpreter with its first imports, and ending one, happen one at a time.
  std::timed_mutex& lifecycle;
  std::string module_dir;
  std::optional<std::string> timezone;  // TZ when the process began
};

class Scratches;

// Commands with the descriptors that came with them.
struct MakeOrder : MakeCommand {
  InterpNumber owner = 0;  // of a scratch interpreter: whose it is
  Fd snapshot{};           // of a spare: an empty one
  Fd log{};
  Fd batch{};  // the lane that the workers share, and the board of what they have begun
  Fd board{};
  std::vector<Fd> lanes{};  // of each worker
};
struct LoadOrder : LoadCommand {
  Fd snapshot;
};

// One interpreter with its home thread, which alone makes, boots and ends it, and makes its workers
// (in process isolation: the main interpreter and the main thread). The host keeps it until it has
// ended; an abandoned one stays for ever, its thread parked. shared_ptr, because helper threads
// (interrupt, stack, the reaper) may outlive the host's interest in it.
class Home : public std::enable_shared_from_this<Home> {
 public:
  Home(const HostServices& services, MakeOrder make);
  ~Home();

  // Starts the home thread, or posts the main thread's last job. `on_end` is called, without any
  // interpreter attached, when the interpreter is gone.
  void start(std::function<void()> on_end);

  // From the commander; none of these waits.
  void retire(Seconds timeout);
  void give_code(LoadOrder load);  // to a spare
  void tell_loaded(const LoadedCommand& loaded);
  void interrupt(std::uint64_t call);
  void tell_stack(const StackCommand& stack, unsigned long thread);  // 0: all threads
  void tell_imports(std::uint64_t ask);
  void drain();
  void stay() { natives_.may_move = false; }
  void give_back_calls();
  void take_turn();  // the home thread asks for the GIL once
  bool has_scratches() const;
  // What of it has the GIL, while that does not move; its scratch interpreters count as it.
  std::optional<StalledEvent> holder();
  // By the watcher: whether a GIL of its own is kept from its workers; the daemon is told. And each
  // millisecond: whether a worker is stuck in a call.
  void look_for_stall();
  bool tick();  // see Turns
  // Itself, or a scratch interpreter of its app.
  std::shared_ptr<Home> find(InterpNumber number);
  const std::shared_ptr<Entrance>& entrance() const { return natives_.entrance; }

 private:
  enum class Phase { making, serving, ending, over, abandoned };
  class Visit;

  std::string stack_text(const StackCommand& stack, unsigned long thread);
  void run_sub();
  void run_main(const py::Attached& py);
  bool make_sub(PyThreadState*& state);
  void enter_folder();
  bool boot(const py::Attached& py);
  bool wait_for_code(const py::Attached& py);
  bool preload(const py::Attached& py);
  bool take_code(const py::Attached& py, LoadOrder load);
  bool open_snapshot(Fd memfd);
  bool load(const py::Attached& py);
  [[noreturn]] void leave_child(const py::Attached& py);
  bool is_retiring();
  bool is_serving();
  void end_import(const py::Attached& py);
  Result<> make_workers(const py::Attached& py);
  Result<> make_lanes(const py::Attached& py);
  Result<> start_worker();
  void ask_for_worker();
  void bring_worker();
  void tell_made(const py::Attached& py, std::string callable);
  void fill_report(const py::Attached& py, MadeEvent& event);
  void reject(const py::Attached& py, std::string stage);
  void reject_without_python(const Error& error);
  void not_begun(const Error& error);
  void wait_for_retire(const py::Attached& py);
  void wait_with_signals(const py::Attached& py);

  void end_sub(const py::Attached& py, PyThreadState* state);
  void end_main(const py::Attached& py);
  void leave_process(const std::string& problem);
  std::vector<std::string> quiesce(const py::Attached& py);
  bool wait_for_callers(const py::Attached& py);
  std::vector<std::string> wait_for_workers(const py::Attached& py);
  py::Ref call_shutdown(const py::Attached& py, const char* function, Seconds seconds);
  void run_atexit(const py::Attached& py);
  void hurry_atexit(SteadyTime due);
  std::vector<std::string> left_running(const py::Attached& py);
  bool interrupt_leftovers(const py::Attached& py);
  void release_objects(const py::Attached& py);
  Seconds remaining(Seconds least) const;

  // Who ends this home: the home itself, or the reaper who gave it up. False: it is decided.
  bool claim(Phase phase);
  void abandon(std::string_view why, const std::vector<std::string>& threads);
  [[noreturn]] void park(const py::Attached& py);
  void reap();
  void hurry_import();

  std::function<void()> on_end_;  // the last to go: it may hold what the rest refers to
  const HostServices& services_;
  MakeOrder make_;
  Natives natives_;
  std::unique_ptr<Scratches> scratches_;
  SteadyTime began_;
  std::optional<Turns::Wanted> wanted_;  // by the home thread, while it makes or ends the interpreter
  std::optional<PipePair> wake_;         // process isolation only: readable when a signal came or at the end
  bool own_folder_ = false;              // working folder and umask are those of this home's threads

  // Objects of the interpreter; touched on the home thread only, but for interrupted_ (visitors).
  py::Ref callable_;
  py::Ref interrupted_;
  py::Ref errors_stream_;
  Turns::Share share_;
  std::optional<BatchLane> batch_;
  std::optional<WorkerShared> shared_;
  std::vector<std::unique_ptr<WorkerLane>> worker_lanes_;
  std::vector<std::unique_ptr<Worker>> workers_;

  struct Stall {
    std::uint64_t call = 0;  // the oldest that cannot begin
    SteadyTime since{};
    bool told = false;
  } stall_;  // on the watcher's thread

  std::mutex mutex_;  // the innermost lock: nobody waits for a GIL while holding it
  std::condition_variable changed_;
  Phase phase_ = Phase::making;
  bool importing_ = true;  // or not even begun
  bool in_atexit_ = false;
  bool retire_asked_ = false;
  bool turn_asked_ = false;
  bool worker_asked_ = false;
  std::optional<LoadOrder> code_;  // of a spare that waits for it
  SteadyTime ending_began_{};
  SteadyTime deadline_{};
  std::size_t running_workers_ = 0;
  std::size_t visitors_ = 0;
  bool open_for_visits_ = false;
  PyInterpreterState* interpreter_ = nullptr;
  unsigned long home_thread_ = 0;
};

}  // namespace moult
