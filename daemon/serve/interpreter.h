#pragma once

#include "daemon/hosts/host.h"
#include "daemon/serve/log_pipe.h"
#include "daemon/serve/worker.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace moult {

// Why a generation was refused; what `status` shows.
struct Rejection {
  std::string stage;  // boot, import, callable, ready, warmup, timeout, stale, crash
  std::string error;  // one line
  std::string traceback{};
  std::string file{};
  int line = 0;
  std::vector<RefusalNote> refused{};  // extensions that refuse sub-interpreters
};

// One interpreter of a generation, seen from the daemon: its number in its host, its workers and
// its log pipe. Owned by its Generation; loop thread only.
class Interpreter final : public InterpreterListener, public Worker::Owner {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_made(Interpreter& interpreter, const MadeEvent& event) = 0;
    virtual void on_rejected(Interpreter& interpreter, Rejection rejection) = 0;
    virtual void on_ended(Interpreter& interpreter) = 0;  // retired, abandoned, or its host is gone
    virtual void on_host_gone(Interpreter& interpreter, const std::string& how) = 0;
    virtual void on_note(Interpreter& interpreter, const HostEvent& event) = 0;  // the other events
    virtual void on_worker_idle(Interpreter& interpreter, Worker& worker) = 0;
    // The lane broke under this call, which belongs to nobody now.
    virtual void on_call_lost(Interpreter& interpreter, Call& call) = 0;
    virtual void on_call_moved(Call& call) = 0;  // it is to be served elsewhere
    virtual void on_log_line(char stream, std::string_view line) = 0;
  };

  enum class State { making, made, leaving, ended, abandoned };

  Interpreter(Owner& owner, Host& host);
  ~Interpreter() override;
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Makes lanes and log pipe and asks the host. A spare tells its owner when it is ready
  // (Owner::on_note, `spare`), and waits for load().
  Result<> start(uv::Loop& loop, LaneBuffers& buffers, MakeCommand command, const Fd& snapshot);
  Result<> load(LoadCommand command, const Fd& snapshot);

  Worker* take_idle();  // most recently used first; null: none
  bool has_idle() const { return !idle_.empty(); }
  int busy() const { return busy_; }
  // Busy workers, and one more while calls of others in its host may still be in it.
  int in_flight() const { return busy_ + (drain_ == Drain::awaited ? 1 : 0); }
  bool has_stuck_worker() const {
    return drain_ == Drain::given_up || std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) {
             return worker->state() == Worker::State::stuck;
           });
  }
  const std::vector<std::unique_ptr<Worker>>& workers() const { return workers_; }
  void interrupt(Worker& worker);
  void give_back(Worker& worker);         // a worker that was taken and not used
  void give_back_broken(Worker& worker);  // one whose lane takes nothing
  void drop_broken_call(Worker& worker);
  // A worker whose thread does not come back; its call was detached before.
  void give_up(Worker& worker);

  // Calls that other interpreters of its host make enter it by themselves, when it exports anything:
  // drain() has the host stop that and tell when the last has left (Owner::on_note, `drained`).
  bool can_be_entered() const;
  void open();
  void drain();
  void stop_draining();  // waits no longer

  // There is no process for its app: what refuses it is told to the app, from the answer on.
  void stay(Host::Answer<StayedEvent> answer);

  // Closes the lanes and asks the host to end the interpreter. No call may be attached.
  void retire(Seconds timeout);
  // Gives up: the host is to be recycled (a shared one) or killed (a dedicated one).
  void abandon();

  State state() const { return state_; }
  Host* host() const { return host_; }  // null when it is gone
  bool is_stalled() const { return host_ != nullptr && host_->is_stalled(number_); }
  Host::Stall stall() const { return host_ != nullptr ? host_->stall_of(number_) : Host::Stall(); }
  std::uint64_t number() const { return number_; }

 private:
  void on_event(const HostEvent& event) override;
  void on_host_gone(const std::string& how) override;
  void on_worker_idle(Worker& worker) override;
  void on_worker_closed(Worker& worker) override;
  void on_call_moved(Call& call) override { owner_.on_call_moved(call); }
  void end(State state);
  void lose_calls();
  void ask_to_drain();

  // Of calls that other interpreters of its host make.
  enum class Drain { open, closed, awaited, done, given_up };

  Owner& owner_;
  Host* host_;
  std::uint64_t number_ = 0;
  State state_ = State::making;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Worker*> idle_;
  int busy_ = 0;
  bool exports_ = false;  // functions that others can call
  Drain drain_ = Drain::open;
  std::unique_ptr<LogPipe> log_;
};

}  // namespace moult
