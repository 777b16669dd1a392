#pragma once

#include "daemon/hosts/host_launcher.h"
#include "daemon/hosts/host_memory.h"
#include "daemon/hosts/host_output.h"
#include "ipc/base/clock.h"
#include "ipc/base/fd.h"
#include "ipc/base/log.h"
#include "ipc/host_protocol.h"
#include "ipc/uv/loop.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace moult {

// Where the events of one interpreter go. On the loop; the interpreter may be forgotten from inside.
class InterpreterListener {
 public:
  virtual ~InterpreterListener() = default;
  virtual void on_event(const HostEvent& event) = 0;
  virtual void on_host_gone(const std::string& how) = 0;
};

// One moult-host process and the daemon's end of its command channel. Owned by the HostPool; loop
// thread only. It is gone when its process has ended, which is always told to the owner, once.
class Host {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_host_ready(Host& host) = 0;
    virtual void on_host_empty(Host& host) = 0;  // its last interpreter has been forgotten
    // The process has ended. The owner may destroy the host later, not in this call.
    virtual void on_host_gone(Host& host, const std::string& how, bool expected) = 0;
    virtual void on_host_output(Host& host, const OutputSource& source, std::string_view line) = 0;
    // An interpreter of it made a caller lane, of which this is our end. Refused by dropping it.
    virtual void on_caller(Host& host, std::uint64_t interp, Fd lane) = 0;
    // It holds what cannot be ended and should be recycled.
    virtual void on_host_tainted(Host& host, const std::string& why) = 0;
    // Nobody in it, or nobody in one interpreter (`note.alone`), can take the GIL: `note` says who has it.
    // And it can be taken again: of all (`note.interp` is 0), or in that one.
    virtual void on_host_stalled(Host& host, const StalledEvent& note) = 0;
    virtual void on_host_revived(Host& host, const RevivedEvent& note) = 0;
    // Its process has ended unexpectedly, which its interpreters are told next: what they are to be told
    // beside `how`.
    virtual std::string on_host_dying(Host& host, const std::string& how, bool was_killed) = 0;
  };

  enum class State { starting, ready, leaving, gone };

  Host(uv::Loop& loop, Log& log, Owner& owner, int number, HostKey key);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Starts the process.
  Result<> start(HostLauncher& launcher, const CodePlace& code_place = {});

  // Asks for an interpreter; its number. Events go to `listener` until forget(). The descriptors
  // are closed here once they are sent.
  std::uint64_t make(MakeCommand command, std::vector<Fd> descriptors, InterpreterListener& listener);
  void load(const LoadCommand& command, Fd snapshot);  // a spare
  void retire(std::uint64_t interp, Seconds timeout);
  void interrupt(std::uint64_t interp, std::uint64_t call);
  // Which interpreters calls of `app` enter that others of this host make (ipc/PROTOCOL.md).
  void route(const std::string& app, const std::vector<std::uint64_t>& interps);
  void drain(std::uint64_t interp);
  void give_back(std::uint64_t interp = 0);  // calls that have come and not begun; 0: of all
  // Questions: answered once, on the loop; with an error when the host does not within 5 s, when it
  // ends, or when too many are open.
  template <typename Event>
  using Answer = std::function<void(Result<Event>)>;
  void ask_calls(Answer<CallsEvent> answer);
  void ask_stack(StackCommand whose, Answer<StackEvent> answer);  // its `ask` is set here
  // What a spare that follows this interpreter should import; with `packages` installed modules too.
  void ask_loaded(std::uint64_t interp, bool packages, Answer<LoadedEvent> answer);
  void ask_kill(const std::string& call, Answer<KilledEvent> answer);
  void ask_imports(std::uint64_t interp, Answer<ImportsEvent> answer);
  void ask_to_stay(std::uint64_t interp, Answer<StayedEvent> answer);
  void forget(std::uint64_t interp);

  // Leaves politely: exit, then SIGKILL after a deadline. kill() does not ask.
  void leave();
  void kill();
  void dismiss();  // kill() of one that has nothing left to do

  State state() const { return state_; }
  int number() const { return number_; }
  int pid() const;
  const HostKey& key() const { return key_; }
  std::size_t interpreters() const { return listeners_.size(); }
  SteadyTime started() const { return started_; }
  Milliseconds age() const { return std::chrono::duration_cast<Milliseconds>(Steady::now() - started_); }
  // Resident memory in bytes; 0 when it cannot be read.
  std::uint64_t resident_bytes() const;

  // Since when nobody in it can take the GIL; nothing when it answers.
  const std::optional<SteadyTime>& stalled_since() const { return stalled_since_; }
  // The same of one interpreter, whose GIL may be its own, and whose doing it is.
  struct Stall {
    SteadyTime since{};
    std::string trouble{};
  };
  bool is_stalled(std::uint64_t interp) const {
    return stalled_since_.has_value() || (!stalled_alone_.empty() && stalled_alone_.contains(interp));
  }
  Stall stall_of(std::uint64_t interp) const;
  void explain_stall(std::uint64_t interp, const std::string& why);
  // Whose an interpreter is; nobody's: no interpreter of this host.
  OutputSource source_of(std::uint64_t interp) const;
  // The interpreter whose code got a deadly signal, as the host's last word.
  const std::optional<std::uint64_t>& crashed() const { return crashed_; }

  // May this app's generations stay? And may anything new be made in it?
  bool keeps(const std::string& app) const { return !recycling && (keeper.empty() || keeper == app); }
  bool takes_new() const { return !recycling && keeper.empty(); }

  // Kept by the pool: no new interpreters, its apps are being moved away.
  bool recycling = false;
  std::string recycle_reason;
  std::string keeper;      // the app that kept its GIL from the others, and is left alone in it
  std::string company;     // of the apps that it takes (Parting)
  std::string trouble;     // for people: whose doing its stall was; "": it never had one
  bool dedicated = false;  // process isolation: one interpreter, then it ends
  HostMemory memory;
  std::vector<std::string> groups;
  int made_count = 0;

 private:
  struct Outgoing {
    std::string packet;
    std::vector<Fd> descriptors;
  };

  struct Question {
    SteadyTime deadline;
    Answer<HostEvent> answer;
    std::vector<ModuleNote> imports{};  // of an answer in several parts, those that have come
  };

  template <typename Event, typename Command>
  void ask(Command command, Answer<Event> answer);
  // Its number, or 0 when it is answered already since nothing can be asked.
  std::uint64_t note_question(Answer<HostEvent> answer);
  void answer(std::uint64_t ask, HostEvent event);
  void watch_questions();
  void give_up_questions(SteadyTime asked_until, const Error& error);
  void send(const HostCommand& command, std::vector<Fd> descriptors = {});
  void flush();
  void on_channel(int events);
  bool read_events();  // a round of them; whether there may be more
  void dispatch(const HostEvent& event, Fd descriptor);
  void take_output(std::uint64_t interp, Fd read_end);
  bool floods(const HostEvent& event);
  void tell_flood();
  void on_exit(uv::ExitStatus status);

  uv::Loop& loop_;
  Log& log_;
  Owner& owner_;
  int number_;
  HostKey key_;
  State state_ = State::starting;
  SteadyTime started_;
  std::optional<SteadyTime> stalled_since_;
  std::map<std::uint64_t, Stall> stalled_alone_;  // interpreters with a GIL of their own
  std::optional<std::uint64_t> crashed_;
  Fd channel_;
  std::unique_ptr<uv::Poll> channel_poll_;
  uv::Timer deadline_;
  std::unique_ptr<uv::Process> process_;
  std::deque<Outgoing> outgoing_;
  std::map<std::uint64_t, InterpreterListener*> listeners_;
  std::uint64_t next_interp_ = 1;
  std::map<std::uint64_t, Question> questions_;  // by number, so the oldest first
  std::uint64_t last_ask_ = 0;
  uv::Timer question_deadline_;
  std::vector<char> packet_;
  std::map<std::uint64_t, OutputSource> sources_;  // of its interpreters
  OutputSource last_source_;                       // that of the only one, in process isolation
  std::unique_ptr<HostOutput> output_;             // its own descriptors 1 and 2
  std::map<std::uint64_t, std::unique_ptr<HostOutput>> child_outputs_;
  std::uint64_t next_output_ = 1;
  Allowance event_allowance_{kAskedEvents};
  uv::Timer flood_told_;

  static constexpr double kAskedEvents = 50;  // a second, of those that an app can make at will
};

}  // namespace moult
