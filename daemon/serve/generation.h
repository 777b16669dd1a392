#pragma once

#include "daemon/serve/generation_state.h"
#include "daemon/serve/interpreter.h"
#include "daemon/snapshot/snapshot.h"
#include "ipc/base/clock.h"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace moult {

// Why a generation was made.
enum class CauseKind {
  start,
  change,
  reload,
  restart,
  restart_file,
  deploy,  // `moultctl deploy end`
  rollback,
  recycle,
  host_lost,
  settings,
  isolation,  // it needs a process of its own
  check
};
std::string_view to_string(CauseKind kind);

struct Cause {
  CauseKind kind = CauseKind::start;
  std::string detail;   // the file that changed, who asked
  bool forced = false;  // also when the code is the same as the active generation's
};
std::string cause_word(CauseKind kind);         // that of docs/control.md
std::string describe(const Cause& cause);       // "change of shop/views.py"
std::string import_reason(const Cause& cause);  // "first load", "reload because: change of shop/views.py"

// What is told of a generation for as long as it is remembered, also over a restart of the daemon.
struct GenerationRecord {
  std::uint64_t number = 0;
  Cause cause;
  std::string snapshot;  // its id
  std::string tree;      // the resolved root
  std::string commit;    // of the VCS, "" when there is none
  WallTime created{};
  WallTime activated{};  // epoch: never
  WallTime replaced{};   // when it last stopped taking new calls
  WallTime ended{};
  double make_seconds = 0;
  GenerationState state = GenerationState::making;
  std::string isolation;
  std::string python;
  std::string callable;
  Rejection rejection;    // when rejected
  std::size_t files = 0;  // sources in its snapshot
  std::uint64_t calls = 0;
  std::uint64_t drain_killed = 0;
  double drain_seconds = 0;
};

// One load of an app's code: its interpreters and what is known of it. Owned by the App's Moulting;
// loop thread only. May be destroyed once has_ended(), not from inside a callback.
class Generation final : public Interpreter::Owner {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_generation_made(Generation& generation) = 0;
    // It is `rejected` already and its interpreters are leaving.
    virtual void on_generation_refused(Generation& generation) = 0;
    virtual void on_generation_idle(Generation& generation) = 0;  // no call in flight any more
    virtual void on_generation_lost(Generation& generation, const std::string& how) = 0;
    // One of its hosts died, others live: it is less than it was.
    virtual void on_generation_hurt(Generation& generation, const std::string& how) = 0;
    virtual void on_generation_ended(Generation& generation) = 0;  // nothing of it is left
    virtual void on_flight_ended(Generation& generation, Flight& flight) = 0;
    virtual void on_room(Generation& generation) = 0;  // it may take a call that it did not take before
    virtual void on_call_lost(Generation& generation, Call& call) = 0;
    virtual void on_call_moved(Call& call) = 0;  // it is to be served by another generation
    virtual void on_call_returned(Generation& generation, Call& call) = 0;  // nobody had begun it
    // Something refuses its interpreter, and it was made already.
    virtual void on_refused(Generation& generation, const RefusalNote& what) = 0;
    virtual void on_files_used(Generation& generation, const std::vector<std::string>& files) = 0;
    virtual void on_files_written(const std::vector<std::string>& files) = 0;
    virtual void on_notice(Generation& generation, const HostEvent& event) = 0;
    virtual void on_log_line(Generation& generation, char stream, std::string_view line) = 0;
  };

  Generation(uv::Loop& loop, Owner& owner, GenerationRecord record, SnapshotPtr snapshot,
             std::string packages);

  // Asks each of `hosts` for an interpreter. With `command.spare` it is none yet, until load() makes it
  // the generation of `record`.
  Result<> make(const std::vector<Host*>& hosts, LaneRounds& rounds, const MakeCommand& command,
                const Fd& snapshot);

  Result<> load(GenerationRecord record, SnapshotPtr snapshot, const LoadCommand& command, const Fd& memfd);
  bool is_ready_spare() const { return state() == GenerationState::spare && ready_ == interpreters_.size(); }

  // Gives it to the interpreter with the fewest calls in flight. No more than `most` calls wait in each for a
  // worker. False: none has room.
  bool start(Call& call, std::size_t most);
  std::size_t waiting() const;  // calls that no worker has begun
  // Calls on workers, and one for each interpreter that calls of its host's others are still in.
  int in_flight() const;
  int running() const { return in_flight() - static_cast<int>(waiting()); }

  void refuse(Rejection rejection);
  void activate();
  void replace();
  void keep_as_standby();
  // Ends its interpreters; no call may be in flight. They are asked after `rest`, or at hurry().
  void retire(Seconds timeout, Milliseconds rest = Milliseconds(0));
  void hurry();
  // Interrupts the calls that have run since before `started_before`, and those whose callers wait no
  // longer, who are told so. How many are past all help and were given up: their clients get
  // CallFailure::call_timeout. SteadyTime::max() is the end of a drain: calls of its host's other
  // interpreters are not waited for any more either.
  struct Overdue {
    int interrupted = 0;
    int given_up = 0;
  };
  Overdue interrupt_calls(SteadyTime now, SteadyTime started_before);
  // For a daemon that stops (generation_end.cpp); streams of events are apart from other calls.
  int calls_begun_by(SteadyTime time) const;
  int end_calls_begun_by(SteadyTime time, SteadyTime now);  // with CallFailure::call_timeout
  void end_streams();
  void look_after_calls(SteadyTime now);  // Interpreter has it

  GenerationState state() const { return record_.state; }
  const SnapshotPtr& snapshot() const { return snapshot_; }
  const std::string& packages() const { return packages_; }  // fingerprint of what is installed
  bool has_ended() const;
  bool lives_on(const Host& host) const;
  // An interpreter of it whose GIL nobody can take; null: all answer.
  const Interpreter* stalled() const;
  bool answers_in_part() const;  // not all of them are such
  const GenerationRecord& record() const { return record_; }
  GenerationRecord& record() { return record_; }
  std::uint64_t number() const { return record_.number; }
  const std::vector<std::unique_ptr<Interpreter>>& interpreters() const { return interpreters_; }
  const std::vector<ExtensionNote>& extensions() const { return extensions_; }
  // What refused its interpreters; it does without.
  const std::vector<RefusalNote>& fell_back() const { return fell_back_; }
  bool is_in_process() const;  // of its own
  // "ready", "handoff", "adopt" or "retire": did the app define one?
  bool has_hook(const std::string& kind) const { return hooks_.count(kind) > 0; }
  // What it imported and opened, extension modules included; without Python's own and installed ones.
  const std::set<std::string>& files_used() const { return files_used_; }
  bool has_abandoned_interpreter() const;
  bool has_stuck_worker() const;  // or a call from its host that outlived the drain
  SteadyTime draining_since() const { return draining_since_; }
  SteadyTime made_at() const { return made_at_; }

 private:
  void on_made(Interpreter& interpreter, const MadeEvent& event) override;
  void on_rejected(Interpreter& interpreter, Rejection rejection) override;
  void on_ended(Interpreter& interpreter) override;
  void on_host_gone(Interpreter& interpreter, const std::string& how) override;
  void on_note(Interpreter& interpreter, const HostEvent& event) override;
  void on_flight_ended(Interpreter& interpreter, Flight& flight) override;
  void on_room(Interpreter& interpreter) override;
  void on_call_returned(Interpreter& interpreter, Call& call) override;
  void on_call_lost(Interpreter& interpreter, Call& call) override;
  void on_call_moved(Call& call) override { owner_.on_call_moved(call); }
  void on_log_line(char stream, std::string_view line) override;
  void note_files(const std::vector<std::string>& files);
  bool advance(GenerationEvent event);
  void arm_end_deadline(Seconds timeout);
  void ask_to_retire(Seconds timeout);
  void tell_if_idle();

  uv::Loop& loop_;
  Owner& owner_;
  GenerationRecord record_;
  SnapshotPtr snapshot_;
  std::string packages_;
  std::vector<std::unique_ptr<Interpreter>> interpreters_;
  std::vector<ExtensionNote> extensions_;
  std::vector<RefusalNote> fell_back_;
  std::set<std::string> files_used_;
  std::set<std::string> hooks_;
  std::size_t ready_ = 0;  // interpreters of a spare that wait for their code
  std::size_t made_ = 0;
  SteadyTime started_at_{};
  SteadyTime made_at_{};
  SteadyTime draining_since_{};
  bool end_told_ = false;
  Seconds retire_timeout_{};
  uv::Timer rest_;
  uv::Timer end_deadline_;
};

}  // namespace moult
