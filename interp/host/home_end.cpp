#include "interp/host/home.h"

#include "interp/host/last_words.h"
#include "interp/host/scratch.h"
#include "interp/host/spec_object.h"
#include "interp/py/error.h"

#include <fmt/ranges.h>

#include <unistd.h>
#include <thread>

// The second half of a home's life: every step has a deadline, and an interpreter that does not
// become quiet is abandoned, never forced (cpython.md, section a).

namespace moult {

namespace {

constexpr Seconds kRejectedTimeout{5};
constexpr Seconds kLeftoversTimeout{1};
constexpr Seconds kAtexitTimeout{1};  // at least, when the drain used all of its time
constexpr Seconds kChildrenTimeout{2};
// What the reaper allows beyond the deadline for the steps above and the end itself.
constexpr Seconds kGrace{6};
constexpr Milliseconds kPause{10};
constexpr Milliseconds kInterruptAgain{200};
constexpr std::chrono::seconds kLastCall{1};  // before the deadline: calls in a scratch interpreter

SteadyTime after(Seconds seconds) {
  return Steady::now() + std::chrono::duration_cast<Steady::duration>(seconds);
}

}  // namespace

void Home::retire(Seconds timeout) {
  bool importing = false;
  {
    const std::scoped_lock lock(mutex_);
    if (retire_asked_) return;
    retire_asked_ = true;
    ending_began_ = Steady::now();
    deadline_ = after(timeout);
    importing = importing_;
    changed_.notify_all();
  }
  natives_.entrance->calls.close();
  // A full pipe wakes as well.
  if (wake_) static_cast<void>(!::write(wake_->write.get(), "", 1));
  // In this order, for where one thread runs both.
  if (importing) services_.errands.run([self = shared_from_this()] { self->hurry_import(); });
  services_.errands.run([self = shared_from_this()] { self->reap(); });
}

// Waits for the end in place of the commander, and calls it off when it takes too long.
void Home::reap() {
  std::unique_lock lock(mutex_);
  const SteadyTime last = deadline_ + std::chrono::duration_cast<Steady::duration>(kGrace);
  const bool over =
      changed_.wait_until(lock, last, [&] { return phase_ == Phase::over || phase_ == Phase::abandoned; });
  lock.unlock();
  if (over) return;
  if (make_.mode == py::Mode::main) leave_process("the app did not end in time");
  abandon("it did not end in time", {});
}

bool Home::claim(Phase phase) {
  const std::scoped_lock lock(mutex_);
  if (phase_ == Phase::over || phase_ == Phase::abandoned) return false;
  phase_ = phase;
  changed_.notify_all();
  return true;
}

void Home::abandon(std::string_view why, const std::vector<std::string>& threads) {
  if (claim(Phase::abandoned)) natives_.events.tell(AbandonedEvent{make_.interp, std::string(why), threads});
}

void Home::park(const py::Attached& py) {
  wanted_.reset();
  const py::DetachScope detached(py);
  for (;;) ::pause();
}

void Home::end_sub(const py::Attached& py, PyThreadState* state) {
  const std::vector<std::string> threads = quiesce(py);
  if (!threads.empty()) {
    call_shutdown(py, "end_children", kChildrenTimeout);
    {
      const py::DetachScope detached(py);
      abandon("threads of the app did not end", threads);
    }
    park(py);
  }
  release_objects(py);
  std::unique_lock lifecycle(services_.lifecycle, std::defer_lock);
  bool may_end = false;
  {
    const py::DetachScope detached(py);
    if (lifecycle.try_lock_until(deadline_ + std::chrono::duration_cast<Steady::duration>(kGrace))) {
      const std::scoped_lock lock(mutex_);
      may_end = phase_ != Phase::abandoned;
    }
  }
  if (!may_end || !py::other_threads(py).empty()) {
    if (lifecycle.owns_lock()) lifecycle.unlock();
    {
      const py::DetachScope detached(py);
      abandon("a thread appeared while it ended", {});
    }
    park(py);
  }
  PyInterpreterState* const interpreter = PyThreadState_GetInterpreter(state);
  py::end_interpreter(state);
  last_words::leave(interpreter);
  lifecycle.unlock();
  natives_.snapshot.reset();
  if (claim(Phase::over)) natives_.events.tell(RetiredEvent{make_.interp, Steady::now() - ending_began_});
}

void Home::end_main(const py::Attached& py) {
  const std::vector<std::string> threads = quiesce(py);
  if (!threads.empty()) call_shutdown(py, "end_children", kChildrenTimeout);
  const py::DetachScope detached(py);
  leave_process(threads.empty() ? std::string() : fmt::format("left running: {}", fmt::join(threads, ", ")));
}

// In process isolation the end of the interpreter is the end of the process; what still runs in it
// is no danger to anybody else.
void Home::leave_process(const std::string& problem) {
  if (!problem.empty()) natives_.events.tell(NoticeEvent{make_.interp, "warning", problem});
  if (claim(Phase::over)) {
    natives_.events.tell(RetiredEvent{make_.interp, Steady::now() - ending_began_});
    ::_exit(0);
  }
}

// Until nothing but this thread is left in the interpreter, or time is up: the names of the rest.
std::vector<std::string> Home::quiesce(const py::Attached& py) {
  retire(kRejectedTimeout);  // unless the daemon asked for it
  {
    const std::scoped_lock lock(mutex_);
    if (phase_ == Phase::abandoned) return {"moult-home"};
    phase_ = Phase::ending;
  }
  end_import(py);
  if (!wait_for_callers(py)) return {"moult-call"};
  {
    const py::DetachScope detached(py);
    scratches_->close_all(deadline_);
  }
  std::vector<std::string> stuck = wait_for_workers(py);
  if (!stuck.empty()) return stuck;
  natives_.entrance->clear_states(py);
  // The order of python3: what ends threads of the app (an atexit function that stops a worker) comes before
  // their end.
  call_shutdown(py, "quiesce", remaining(Seconds(0.05)));
  run_atexit(py);
  call_shutdown(py, "end_children", kChildrenTimeout);
  log_rest(py, natives_);
  std::vector<std::string> names = left_running(py);
  if (make_.mode == py::Mode::main) return names;
  if (interrupt_leftovers(py)) return {};
  if (names.empty()) names.push_back("a thread without a name");
  return names;
}

// On the thread that imported the app, as in python3: what belongs to that thread (a connection of sqlite3)
// can be used. A function that takes too long is interrupted, then the next one runs.
void Home::run_atexit(const py::Attached& py) {
  {
    const std::scoped_lock lock(mutex_);
    if (phase_ == Phase::abandoned) return;
    in_atexit_ = true;
  }
  // Without one the reaper ends what takes too long.
  auto hurry = start_thread([this, due = after(remaining(kAtexitTimeout))] { hurry_atexit(due); });
  call_shutdown(py, "run_atexit", {});
  {
    const std::scoped_lock lock(mutex_);
    in_atexit_ = false;
    changed_.notify_all();
  }
  if (hurry) {
    const py::DetachScope detached(py);
    hurry->join();
  }
  py::forget_raise(py);
}

void Home::hurry_atexit(SteadyTime due) {
  std::unique_lock lock(mutex_);
  const auto is_over = [&] { return !in_atexit_; };
  for (SteadyTime next = due; !changed_.wait_until(lock, next, is_over); next += kInterruptAgain) {
    lock.unlock();
    if (next - due > kLeftoversTimeout) {
      constexpr const char* kWhy = "an atexit function did not end";
      if (make_.mode == py::Mode::main) leave_process(kWhy);
      return abandon(kWhy, {});
    }
    {
      const Turns::Wanted wanted(services_.turns);
      const py::VisitScope scope(interpreter_);
      call_shutdown(scope.token(), "end_processes", kLeftoversTimeout / 2);  // it may wait for one
      const std::scoped_lock again(mutex_);
      if (in_atexit_) PyThreadState_SetAsyncExc(home_thread_, interrupted_.get());
      natives_.sleepers.wake(home_thread_);
    }
    lock.lock();
  }
}

// Calls of other apps that are still in here have had the time of the drain; those of a scratch
// interpreter get theirs now.
bool Home::wait_for_callers(const py::Attached& py) {
  const py::DetachScope detached(py);
  Gate& gate = natives_.entrance->calls;
  gate.close();
  while (!gate.wait_until_empty(std::min(deadline_, Steady::now() + kInterruptAgain))) {
    if (Steady::now() >= deadline_) return false;
    if (make_.owner != 0 && Steady::now() < deadline_ - kLastCall) continue;
    services_.book.interrupt_all_in(*natives_.entrance);
  }
  return true;
}

// The daemon has closed the lanes, so each worker leaves once its call is over.
std::vector<std::string> Home::wait_for_workers(const py::Attached& py) {
  bool all_left = false;
  {
    const py::DetachScope detached(py);
    make_.lanes.clear();
    make_.batch.reset();
    std::unique_lock lock(mutex_);
    all_left = changed_.wait_until(lock, deadline_, [&] { return running_workers_ == 0; });
    open_for_visits_ = false;
    const bool alone =
        changed_.wait_until(lock, deadline_ + std::chrono::seconds(1), [&] { return visitors_ == 0; });
    lock.unlock();
    natives_.entrance->alive.close();
    const bool unused = natives_.entrance->alive.wait_until_empty(deadline_ + std::chrono::seconds(1));
    if (all_left && !(alone && unused)) return {"moult-visitor"};
  }
  std::vector<std::string> stuck;
  for (const auto& worker : workers_) {
    if (worker->has_left()) {
      worker->join();
    } else {
      stuck.push_back(worker->name());
      worker->detach();
    }
  }
  return stuck;
}

Seconds Home::remaining(Seconds least) const { return std::max<Seconds>(least, deadline_ - Steady::now()); }

py::Ref Home::call_shutdown(const py::Attached& py, const char* function, Seconds seconds) {
  const py::Ref callable = py::boot_function(py, "shutdown", function);
  py::Ref result =
      callable ? py::Ref::steal(PyObject_CallFunction(callable.get(), "d", seconds.count())) : py::Ref();
  if (!result) log_text(py, natives_, 'e', fmt::format("moult: {}\n", py::take_error(py).traceback));
  return result;
}

// The names of the app's threads that are not over; of daemons only where the process goes on.
std::vector<std::string> Home::left_running(const py::Attached& py) {
  const bool daemons = make_.mode != py::Mode::main;
  const py::Ref names = call_shutdown(py, daemons ? "left_running" : "left_undone", {});
  return names ? texts_of(py, names.get()) : std::vector<std::string>();
}

// Daemon threads, and threads without an object: SystemExit until they are gone, also from the
// interpreters that they have entered.
bool Home::interrupt_leftovers(const py::Attached& py) {
  const SteadyTime end = after(kLeftoversTimeout);
  SteadyTime again{};
  PyEval_SetTrace(nullptr, nullptr);  // 3.11 gets nowhere with one while another thread does not see what is
  PyEval_SetProfile(nullptr, nullptr);  // raised in it: forget_raise
  for (;;) {
    const std::vector<unsigned long> others = py::other_threads(py);
    if (others.empty()) return true;
    const SteadyTime now = Steady::now();
    if (now > end) return false;
    if (now >= again) {  // not at once: a handler of the first one may be at work
      for (const unsigned long thread : others) PyThreadState_SetAsyncExc(thread, PyExc_SystemExit);
      call_shutdown(py, "wake", {});
      natives_.sleepers.wake(0);
      again = now + kInterruptAgain;
    }
    const py::DetachScope detached(py);
    services_.book.interrupt_all_from(*natives_.entrance);
    std::this_thread::sleep_for(kPause);
  }
}

void Home::release_objects(const py::Attached& py) {
  OpenedFiles::forget(py);
  natives_.entrance->release_objects(py);
  workers_.clear();
  shared_.reset();
  callable_.reset();
  interrupted_.reset();
  errors_stream_.reset();
}

}  // namespace moult
