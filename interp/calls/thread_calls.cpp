#include "interp/calls/thread_calls.h"

#include "interp/py/attach.h"

#include <algorithm>

namespace moult {

void ThreadCalls::give_states_back() {
  for (const State& state : states_) state.target->give_back(state.state);
  states_.clear();
}

PyThreadState* ThreadCalls::state_in(const std::shared_ptr<Entrance>& target) {
  if (PyInterpreterState_Get() == target->interpreter()) return PyThreadState_Get();
  // Re-entrance: the state that waits further up is the one to go on with.
  for (const EnteredCall& call : entered_) {
    if (call.caller == target.get()) return call.caller_state;
  }
  for (const State& state : states_) {
    if (state.target == target) return state.state;
  }
  // Those of interpreters that have ended meanwhile are deleted already.
  std::erase_if(states_, [](const State& state) {
    const Inside inside(state.target->alive);
    return !inside;
  });
  return states_.emplace_back(target, target->make_state()).state;
}

void ThreadCalls::push(EnteredCall call) {
  const std::scoped_lock lock(mutex_);
  entered_.push_back(std::move(call));
}

ThreadCalls::Popped ThreadCalls::pop() {
  std::shared_ptr<Entrance> last;  // ends outside of the lock
  const std::scoped_lock lock(mutex_);
  // What the thread serves was interrupted: so are all calls that lead there, also those that run in
  // the interpreter of the thread itself and end before interrupt() has come to them.
  const bool all = interrupted_.load(std::memory_order_relaxed);
  Popped popped;
  popped.interrupted = all || entered_.back().interrupted;
  popped.moved = entered_.back().moved;
  last = std::move(entered_.back().target);
  entered_.pop_back();
  popped.caller_interrupted = all || (!entered_.empty() && entered_.back().interrupted);
  return popped;
}

// Code of the app runs while its objects are pickled, and may call in its turn.
Payload& ThreadCalls::arguments() {
  for (std::size_t i = entered_.size();; ++i) {
    while (messages_.size() <= i) messages_.push_back(std::make_unique<Messages>());
    if (!messages_[i]->arguments.is_encoding()) return messages_[i]->arguments;
  }
}

ThreadCalls::Messages& ThreadCalls::without_result() {
  for (std::size_t i = entered_.size();; ++i) {
    while (messages_.size() <= i) messages_.push_back(std::make_unique<Messages>());
    if (!messages_[i]->has_result) return *messages_[i];
  }
}

ThreadCalls::ResultSlot::ResultSlot(ThreadCalls& calls) : messages_(calls.without_result()) {
  messages_.has_result = true;
}

ThreadCalls::ResultSlot::~ResultSlot() { messages_.has_result = false; }

Payload& ThreadCalls::ResultSlot::payload() const { return messages_.result; }

bool ThreadCalls::move() {
  const std::scoped_lock lock(mutex_);
  if (!entered_.empty()) return entered_.back().moved = true;
  if (scope.interp == 0 || scope.number == 0 || scope.answered) return false;
  return scope.moved = true;
}

bool ThreadCalls::must_end() const {
  if (interrupted_.load(std::memory_order_relaxed)) return true;
  const std::scoped_lock lock(mutex_);
  return !entered_.empty() && entered_.back().interrupted;
}

bool ThreadCalls::interrupt(std::size_t from, const Only& only) {
  const auto is_over = [&] {
    return entered_.size() <= from || (only.served != 0 && entered_.back().served != only.served) ||
           (only.number != 0 && entered_[from].number != only.number);
  };
  for (;;) {
    std::shared_ptr<Entrance> target;
    std::uint64_t number = 0;
    {
      const std::scoped_lock lock(mutex_);
      if (is_over()) return false;
      target = entered_.back().target;
      number = entered_.back().number;
    }
    const Inside inside(target->alive);
    if (!inside) return false;
    const py::VisitScope visit(target->interpreter());
    const std::scoped_lock lock(mutex_);
    if (is_over()) return false;
    if (entered_.back().number != number) continue;  // it went on meanwhile
    for (std::size_t i = from; i < entered_.size(); ++i) entered_[i].interrupted = true;
    PyThreadState_SetAsyncExc(thread_, target->interrupted());
    return true;
  }
}

void ThreadCalls::look(const std::function<void(const EnteredCall& call)>& each) const {
  const std::scoped_lock lock(mutex_);
  for (const EnteredCall& call : entered_) each(call);
}

namespace {

// Ends with its thread.
struct ThreadsOwn {
  std::shared_ptr<ThreadCalls> calls;
  ~ThreadsOwn() {
    if (calls) calls->give_states_back();
  }
};

}  // namespace

const std::shared_ptr<ThreadCalls>& CallBook::here_shared() {
  thread_local ThreadsOwn own;
  if (!own.calls) {
    own.calls = std::make_shared<ThreadCalls>(PyThread_get_thread_ident());
    const std::scoped_lock lock(mutex_);
    std::erase_if(threads_, [](const auto& thread) { return thread.expired(); });
    threads_.push_back(own.calls);
  }
  return own.calls;
}

void CallBook::look(const std::function<void(const EnteredCall& call)>& each) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& weak : threads_) {
    if (const auto thread = weak.lock()) thread->look(each);
  }
}

CallBook::Found CallBook::find(std::uint64_t number) const {
  const std::vector<Found> found = outermost([&](const EnteredCall& call) { return call.number == number; });
  return found.empty() ? Found() : found.front();
}

std::size_t CallBook::interrupt_all_in(const Entrance& target) {
  return interrupt_all([&](const EnteredCall& call) { return call.target.get() == &target; });
}

std::size_t CallBook::interrupt_all_from(const Entrance& caller) {
  return interrupt_all([&](const EnteredCall& call) { return call.caller == &caller; });
}

std::size_t CallBook::interrupt_all(const IsMeant& is_meant) {
  const std::vector<Found> there = outermost(is_meant);
  for (const Found& found : there) found.thread->interrupt(found.at, {0, found.number});
  return there.size();
}

// Of each thread the first call that is meant.
std::vector<CallBook::Found> CallBook::outermost(const IsMeant& is_meant) const {
  std::vector<Found> there;
  const std::scoped_lock lock(mutex_);
  for (const auto& weak : threads_) {
    const auto thread = weak.lock();
    if (!thread) continue;
    std::size_t at = 0;
    bool found = false;
    thread->look([&](const EnteredCall& call) {
      if (!found && is_meant(call)) {
        there.push_back({thread, at, call.target, call.number});
        found = true;
      }
      ++at;
    });
  }
  return there;
}

}  // namespace moult
