#pragma once

#include "interp/calls/call_fault.h"
#include "interp/calls/entrance.h"
#include "interp/payload/payload.h"

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace moult {

// What a thread does for somebody else: the call that it serves, as its callees inherit it.
struct CallScope {
  SteadyTime deadline = SteadyTime::max();
  int depth = 0;             // calls above this one, and it
  std::uint64_t number = 0;  // of its lane
  InterpNumber interp = 0;   // whose worker serves it; 0: none does
  bool answered = false;     // a part of its answer has been sent
  bool moved = false;        // it is to be served by another interpreter, and nothing of it here
};

// One function that a thread runs in an interpreter which it entered.
struct EnteredCall {
  std::shared_ptr<Entrance> target;
  PyThreadState* caller_state = nullptr;  // what is attached again when it leaves
  const Entrance* caller = nullptr;       // the interpreter it came from; null: none of ours
  std::uint64_t number = 0;               // in this host: "h1-12"
  std::uint64_t served = 0;               // the lane's call that the thread serves meanwhile
  std::array<char, 64> function{};        // cut if need be
  SteadyTime began{};
  int depth = 0;
  bool interrupted = false;
  bool moved = false;  // as in CallScope
};

// One OS thread as far as calls go: the interpreters it has entered, outermost first, its thread
// states there, the buffers of its messages. Made by CallBook::here() on that thread and ended with
// it; others only look at it, or interrupt it, through the book.
class ThreadCalls {
  struct Messages {
    Payload arguments;
    Payload result;
    bool has_result = false;
  };

 public:
  explicit ThreadCalls(unsigned long thread) : thread_(thread) {}
  ThreadCalls(const ThreadCalls&) = delete;
  ThreadCalls& operator=(const ThreadCalls&) = delete;

  // On the thread itself.
  CallScope scope;                                                   // of what it serves now
  PyThreadState* state_in(const std::shared_ptr<Entrance>& target);  // inside target's `calls`
  void give_states_back();                                           // as its last act, with nothing attached
  void push(EnteredCall call);
  // Takes the innermost call away, and says which of the two sides was interrupted meanwhile.
  struct Popped {
    bool interrupted = false;         // the call that ended
    bool caller_interrupted = false;  // the one that goes on
    bool moved = false;               // the call that ended
  };
  Popped pop();
  std::size_t entered() const { return entered_.size(); }
  // The number of the innermost one; 0: none.
  std::uint64_t innermost() const { return entered_.empty() ? 0 : entered_.back().number; }
  // Two messages for each depth: arguments and result of one call are alive at the same time.
  Payload& arguments();
  // A message for a result, until that was read and its objects are released: code of the app runs
  // meanwhile, and the calls that it makes get others. On the stack of the thread.
  class ResultSlot {
   public:
    explicit ResultSlot(ThreadCalls& calls);
    ~ResultSlot();
    ResultSlot(const ResultSlot&) = delete;
    ResultSlot& operator=(const ResultSlot&) = delete;
    Payload& payload() const;

   private:
    Messages& messages_;
  };

  // Marks what runs now, the innermost call or else what the thread serves, as `moved`. False: there is
  // nothing, or its answer has begun.
  bool move();

  // What the thread itself serves (a worker's call) is to end. Cleared when the next one begins.
  bool must_end() const;  // that, or the innermost call
  void set_interrupted(bool interrupted) { interrupted_.store(interrupted, std::memory_order_relaxed); }

  // From another thread, without anything attached: raises in the innermost call that is entered
  // now, and in each that it returns to from `from` on. False: there is none.
  struct Only {
    std::uint64_t served = 0;  // while the thread serves this call of its lane
    std::uint64_t number = 0;  // while the call at `from` is this one
  };
  bool interrupt(std::size_t from, const Only& only);
  void look(const std::function<void(const EnteredCall& call)>& each) const;
  unsigned long thread() const { return thread_; }

 private:
  struct State {
    std::shared_ptr<Entrance> target;
    PyThreadState* state = nullptr;
  };

  Messages& without_result();

  const unsigned long thread_;
  std::atomic<bool> interrupted_ = false;
  std::vector<State> states_;
  std::vector<std::unique_ptr<Messages>> messages_;
  mutable std::mutex mutex_;  // over entered_; taken with a GIL held, nobody waits for one inside
  std::vector<EnteredCall> entered_;
};

// All threads of the process that have called anything. One per process, made by main.
class CallBook {
 public:
  // The calling thread's; it lives until the thread ends.
  ThreadCalls& here() { return *here_shared(); }
  const std::shared_ptr<ThreadCalls>& here_shared();
  std::uint64_t next_number() { return number_.fetch_add(1, std::memory_order_relaxed); }

  void look(const std::function<void(const EnteredCall& call)>& each) const;
  // The thread in which call `number` runs now, and how deep; null: it is over. Valid while the
  // shared_ptr is held, although the thread may have gone on.
  struct Found {
    std::shared_ptr<ThreadCalls> thread;
    std::size_t at = 0;
    std::shared_ptr<Entrance> target;
    std::uint64_t number = 0;
  };
  Found find(std::uint64_t number) const;
  // Interrupts all calls that are in `target`. How many there are.
  std::size_t interrupt_all_in(const Entrance& target);
  // The same for those that threads of `caller` make; not from a thread of it.
  std::size_t interrupt_all_from(const Entrance& caller);

 private:
  using IsMeant = std::function<bool(const EnteredCall& call)>;
  std::vector<Found> outermost(const IsMeant& is_meant) const;
  std::size_t interrupt_all(const IsMeant& is_meant);

  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<ThreadCalls>> threads_;
  std::atomic<std::uint64_t> number_ = 1;
};

}  // namespace moult
