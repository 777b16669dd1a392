#pragma once

#include "daemon/hosts/host.h"
#include "daemon/serve/lanes.h"
#include "daemon/serve/log_pipe.h"

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

// One interpreter of a generation, seen from the daemon: its number in its host, its lanes and
// its log pipe. Owned by its Generation; loop thread only.
class Interpreter final : public InterpreterListener, private Lanes::Owner {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_made(Interpreter& interpreter, const MadeEvent& event) = 0;
    virtual void on_rejected(Interpreter& interpreter, Rejection rejection) = 0;
    virtual void on_ended(Interpreter& interpreter) = 0;  // retired, abandoned, or its host is gone
    virtual void on_host_gone(Interpreter& interpreter, const std::string& how) = 0;
    virtual void on_note(Interpreter& interpreter, const HostEvent& event) = 0;  // the other events
    virtual void on_flight_ended(Interpreter& interpreter, Flight& flight) = 0;
    virtual void on_room(Interpreter& interpreter) = 0;  // it takes calls again
    // The lane broke under this call, which belongs to nobody now.
    virtual void on_call_lost(Interpreter& interpreter, Call& call) = 0;
    virtual void on_call_moved(Call& call) = 0;  // it is to be served elsewhere
    // No worker had begun it, and it belongs to nobody now.
    virtual void on_call_returned(Interpreter& interpreter, Call& call) = 0;
    virtual void on_log_line(char stream, std::string_view line) = 0;
  };

  enum class State { making, made, leaving, ended, abandoned };

  Interpreter(uv::Loop& loop, LaneRounds& rounds, Owner& owner, Host& host);
  ~Interpreter() override;
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Makes lanes and log pipe and asks the host. A spare tells its owner when it is ready
  // (Owner::on_note, `spare`), and waits for load().
  Result<> start(MakeCommand command, const Fd& snapshot);
  Result<> load(LoadCommand command, const Fd& snapshot);

  // No more calls wait in it for a worker than `most`.
  bool has_room(std::size_t most) const { return state_ == State::made && lanes_.has_room(most); }
  bool start(Call& call) { return lanes_.start(call); }  // false: it takes none now
  // Calls in flight but for stuck ones.
  int busy() const { return static_cast<int>(lanes_.in_flight() - lanes_.stuck()); }
  // The same, and one more while calls of others in its host may still be in it.
  int in_flight() const { return busy() + (drain_ == Drain::awaited ? 1 : 0); }
  bool has_stuck_worker() const { return drain_ == Drain::given_up || lanes_.stuck() > 0; }
  std::size_t workers() const { return lanes_.workers(); }
  std::size_t waiting() const { return lanes_.waiting(); }
  std::vector<Flight*> flights() const { return lanes_.flights(); }
  void interrupt(Flight& flight);
  // A call whose worker does not come back; it was detached before.
  void give_up(Flight& flight) { lanes_.give_up(flight); }
  // What no worker has begun comes back.
  void recall();
  // Now and then while calls are in flight: what has waited for a worker for long is called back, and who
  // must be told of a client that went is told.
  void look_after_calls(SteadyTime now);

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
  void on_flight_ended(Flight& flight) override { owner_.on_flight_ended(*this, flight); }
  void on_room() override { owner_.on_room(*this); }
  void on_call_moved(Call& call) override { owner_.on_call_moved(call); }
  void on_call_returned(Call& call) override { owner_.on_call_returned(*this, call); }
  void end(State state);
  void lose_calls();
  void ask_to_drain();

  // Of calls that other interpreters of its host make.
  enum class Drain { open, closed, awaited, done, given_up };

  Owner& owner_;
  Host* host_;
  std::uint64_t number_ = 0;
  State state_ = State::making;
  uv::Loop& loop_;
  Lanes lanes_;
  SteadyTime recalled_at_{};
  bool exports_ = false;  // functions that others can call
  Drain drain_ = Drain::open;
  std::unique_ptr<LogPipe> log_;
};

}  // namespace moult
