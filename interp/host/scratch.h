#pragma once

#include "interp/host/home.h"

#include <atomic>
#include <map>

namespace moult {

// What the home of a scratch interpreter tells, kept for the app that waits for it instead of sent
// to the daemon, which knows nothing of such interpreters.
class ScratchEvents final : public Events {
 public:
  ScratchEvents(Events& daemon, InterpNumber owner)
      : Events(daemon.channel()), daemon_(daemon), owner_(owner) {}

  enum class State { making, made, rejected, ended, abandoned };
  // Waits until it is made or not, or ended or not. False: the deadline came first.
  bool wait_until_made(SteadyTime deadline);
  bool wait_until_ended(SteadyTime deadline);
  State state() const;
  RejectedEvent rejection() const;

  void tell(const HostEvent& event) override;

 private:
  void become(State state);

  Events& daemon_;
  const InterpNumber owner_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::making;
  RejectedEvent rejection_;
};

// The interpreters that an app makes for itself (moult.Interpreter): made of the same snapshot, with
// homes of their own, entered by calls, ended with their owner at the latest. One per home; any
// thread of the app, always without a GIL.
class Scratches {
 public:
  // `snapshot` is the owner's; `log` its log pipe.
  Scratches(const HostServices& services, const MakeOrder& owner, LogPipe& log);
  void keep_snapshot(Fd snapshot) { snapshot_ = std::move(snapshot); }
  void set_generation(std::uint64_t generation) { generation_ = generation; }  // before the app is loaded

  struct Source {
    std::string kind;  // "scratch_code", "scratch_module"
    std::string text;
    std::optional<py::Mode> mode{};
  };
  struct Made {
    std::shared_ptr<Entrance> entrance;  // null: `problem`, and perhaps a traceback
    std::string problem{};
    std::string traceback{};
    bool is_refused = false;  // not tried: there are too many, or the app is being ended
  };
  Made make(const Source& source);
  // Ends it after its calls. False: it did not end, and is left behind.
  bool close(const std::shared_ptr<Entrance>& entrance);
  // All, those that are being made too; none can be made from then on.
  void close_all(SteadyTime deadline);

  std::shared_ptr<Home> find(InterpNumber number) const;
  void take_turns();
  std::optional<StalledEvent> holder();
  std::size_t count() const;

 private:
  // What a home lives in; as long as the home does, whatever becomes of the Scratch.
  struct Surroundings {
    Surroundings(const HostServices& owners, InterpNumber owner);
    ScratchEvents events;
    HostServices services;
  };
  struct Scratch {
    std::shared_ptr<Surroundings> around;
    std::shared_ptr<Home> home;
  };
  Result<MakeOrder> command_for(const Source& source, InterpNumber number);
  Result<std::shared_ptr<Scratch>> prepare(const Source& source, InterpNumber number);
  // A refusal, or nothing: it is one of them from now on.
  std::string add(InterpNumber number, const std::shared_ptr<Scratch>& scratch);
  // Lets calls in, unless it was made to end meanwhile.
  bool open(InterpNumber number);
  static bool end(Scratch& scratch, SteadyTime deadline);

  const HostServices& services_;
  const InterpNumber owner_;
  const std::string app_;
  std::uint64_t generation_;
  const py::Mode mode_;
  const InterpreterSpec spec_;
  LogPipe& log_;
  Fd snapshot_;
  mutable std::mutex mutex_;
  std::map<InterpNumber, std::shared_ptr<Scratch>> scratches_;  // made or being made
  bool closed_ = false;
  std::atomic<InterpNumber> next_;
};

}  // namespace moult
