#include "interp/host/home.h"
#include "interp/host/scratch.h"
#include "interp/host/spec_object.h"
#include "interp/py/error.h"
#include "interp/py/holder.h"

#include <unistd.h>
#include <thread>

// What threads that are none of an interpreter's own do in it: interrupt a call, look at stacks and modules.

namespace moult {

// A visit of another thread to this home's interpreter, which does not end meanwhile. Refused
// before the interpreter is booted and once it begins to end.
class Home::Visit {
 public:
  explicit Visit(Home& home) : home_(home), wanted_(home.services_.turns) {
    const std::scoped_lock lock(home_.mutex_);
    allowed_ = home_.open_for_visits_;
    if (allowed_) ++home_.visitors_;
  }
  ~Visit() {
    if (!allowed_) return;
    const std::scoped_lock lock(home_.mutex_);
    --home_.visitors_;
    home_.changed_.notify_all();
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  explicit operator bool() const { return allowed_; }

 private:
  Home& home_;
  Turns::Wanted wanted_;
  bool allowed_ = false;
};

void Home::interrupt(std::uint64_t call) {
  services_.errands.run([self = shared_from_this(), call] {
    const Visit visit(*self);
    if (!visit) return;
    std::shared_ptr<ThreadCalls> thread;
    {
      const py::VisitScope scope(self->interpreter_);
      const bool serving = self->is_serving();
      for (std::size_t i = 0; serving && !thread && i < self->workers_.size(); ++i)
        thread = self->workers_[i]->interrupt(scope.token(), call);
    }
    // Where it runs now may be another interpreter.
    if (thread) thread->interrupt(0, {call, 0});
  });
}

// Of all threads, of one worker, or of a thread that entered from another interpreter.
void Home::tell_stack(const StackCommand& stack, unsigned long thread) {
  services_.errands.run([self = shared_from_this(), stack, thread] {
    std::string text = "this interpreter cannot be visited now";
    {
      const Visit visit(*self);
      if (visit) text = self->stack_text(stack, thread);
    }
    self->natives_.events.tell(StackEvent{stack.ask, self->make_.interp, std::move(text)});
  });
}

std::string Home::stack_text(const StackCommand& stack, unsigned long thread) {
  if (stack.worker) {
    const std::scoped_lock lock(mutex_);
    if (*stack.worker >= workers_.size()) return "there is no such worker";
    thread = workers_[*stack.worker]->thread();
  }
  const py::VisitScope scope(interpreter_);
  const py::Ref function = py::boot_function(scope.token(), "shutdown", "stack");
  const py::Ref result =
      function ? py::Ref::steal(PyObject_CallFunction(function.get(), "k", thread)) : py::Ref();
  return result ? py::text_of(scope.token(), result.get()) : py::take_error(scope.token()).line;
}

void Home::tell_loaded(const LoadedCommand& loaded) {
  services_.errands.run([self = shared_from_this(), loaded] {
    LoadedEvent told{loaded.ask, {}, {}, "this interpreter cannot be visited now"};
    if (const Visit visit(*self); visit) {
      const py::VisitScope scope(self->interpreter_);
      const auto& py = scope.token();
      const py::Ref function = py::boot_function(py, "spare", "loaded");
      const py::Ref answer =
          function ? py::Ref::steal(PyObject_CallFunction(function.get(), "i", loaded.packages ? 1 : 0))
                   : py::Ref();
      PyObject* list = nullptr;
      PyObject* files = nullptr;
      PyObject* patched = nullptr;
      if (answer &&
          PyArg_ParseTuple(answer.get(), "O!O!O", &PyList_Type, &list, &PyList_Type, &files, &patched)) {
        told = {loaded.ask, texts_of(py, list), texts_of(py, files), py::text_of(py, patched)};
      } else {
        told.why = py::take_error(py).line;
      }
    }
    self->natives_.events.tell(told);
  });
}

namespace {

std::vector<ModuleNote> modules_from(const py::Attached& py, PyObject* rows) {
  std::vector<ModuleNote> modules;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows); ++i) {
    PyObject* text[8] = {};
    ModuleNote module;
    if (!PyArg_ParseTuple(PyList_GET_ITEM(rows, i), "UUUUddUUUU", &text[0], &text[1], &text[2], &text[3],
                          &module.seconds, &module.own_seconds, &text[4], &text[5], &text[6], &text[7])) {
      PyErr_Clear();
      continue;
    }
    std::string* const fields[] = {&module.module, &module.file,  &module.kind,         &module.hash,
                                   &module.code,   &module.phase, &module.interpreters, &module.error};
    for (std::size_t field = 0; field < std::size(fields); ++field)
      *fields[field] = py::text_of(py, text[field]);
    modules.push_back(std::move(module));
  }
  return modules;
}

}  // namespace

void Home::tell_imports(std::uint64_t ask) {
  services_.errands.run([self = shared_from_this(), ask] {
    ImportsEvent told{ask, {}, 0, "this interpreter cannot be visited now"};
    Py_ssize_t left_out = 0;
    {
      const Visit visit(*self);
      if (visit) {
        const py::VisitScope scope(self->interpreter_);
        const py::Ref function = py::boot_function(scope.token(), "imports", "rows");
        const py::Ref found = function ? py::Ref::steal(PyObject_CallNoArgs(function.get())) : py::Ref();
        PyObject* rows = nullptr;
        if (found && PyArg_ParseTuple(found.get(), "nO!", &left_out, &PyList_Type, &rows)) {
          told = {ask, modules_from(scope.token(), rows), static_cast<std::uint64_t>(left_out), ""};
        } else {
          told.error = py::take_error(scope.token()).line;
        }
      }
    }
    self->natives_.events.tell(told);
  });
}

void Home::take_turn() {
  const std::scoped_lock lock(mutex_);
  turn_asked_ = true;
  changed_.notify_all();
  if (wake_) static_cast<void>(!::write(wake_->write.get(), "", 1));
  scratches_->take_turns();
}

bool Home::is_serving() {
  const std::scoped_lock lock(mutex_);
  return phase_ == Phase::serving && batch_;
}

// Those that no worker has begun.
void Home::give_back_calls() {
  if (is_serving()) batch_->give_back();
}

bool Home::tick() {
  if (!is_serving()) return false;
  bool more = batch_->tick();
  for (const auto& lane : worker_lanes_) more = lane->tick() || more;
  return more;
}

// Who keeps a GIL that nobody else shares keeps only this app waiting, so no thread asks for it to find out:
// a call that has come and cannot begin is the sign.
void Home::look_for_stall() {
  if (make_.mode != py::Mode::own) return;
  const Visit visit(*this);
  std::uint64_t oldest = 0;
  if (visit && is_serving()) {
    for (const auto& worker : workers_) {
      const std::uint64_t call = worker->waiting();
      if (call != 0 && (oldest == 0 || call < oldest)) oldest = call;
    }
  }
  const SteadyTime now = Steady::now();
  if (oldest != stall_.call) {
    if (stall_.told) natives_.events.tell(RevivedEvent{make_.interp, now - stall_.since});
    stall_ = {oldest, now, false};
  }
  if (oldest == 0 || stall_.told || now - stall_.since < Heartbeat::kStalled) return;
  auto who = holder();
  if (!who) return;
  stall_.told = true;
  who->alone = true;
  who->seconds = now - stall_.since;
  natives_.events.tell(*who);
}

std::optional<StalledEvent> Home::holder() {
  if (auto in_scratch = scratches_->holder()) return in_scratch;
  const Visit visit(*this);
  const auto thread = visit ? py::thread_with_gil(interpreter_) : std::nullopt;
  if (!thread) return std::nullopt;
  StalledEvent holder{make_.owner != 0 ? make_.owner : make_.interp, "thread"};
  std::unique_lock lock(mutex_);
  if (importing_ && *thread == home_thread_) holder.what = "import";
  const bool serving = phase_ == Phase::serving;
  lock.unlock();
  for (std::size_t i = 0; serving && i < workers_.size(); ++i) {
    if (workers_[i]->thread() != *thread) continue;
    holder.what = "call";
    holder.worker = static_cast<int>(i);
  }
  // A thread that came from another interpreter may be any of those that are in this one.
  std::size_t entered = 0;
  services_.book.look([&](const EnteredCall& call) {
    if (call.target->number != make_.interp) return;
    ++entered;
    holder.text = call.function.data();
  });
  if (holder.what == "thread" && entered == 1) holder.what = "function";
  if (holder.what != "function") holder.text.clear();
  return holder;
}

bool Home::has_scratches() const { return scratches_->count() > 0; }

std::shared_ptr<Home> Home::find(InterpNumber number) {
  return number == make_.interp ? shared_from_this() : scratches_->find(number);
}

// No call of another interpreter comes in from now on; tells when none is left.
void Home::drain() {
  Gate& gate = natives_.entrance->calls;
  gate.close();
  if (gate.inside() == 0) {
    natives_.events.tell(DrainedEvent{make_.interp});
    return;
  }
  services_.errands.run([self = shared_from_this()] {
    Gate& calls = self->natives_.entrance->calls;
    while (!calls.wait_until_empty(Steady::now() + std::chrono::seconds(1))) {
      const std::scoped_lock lock(self->mutex_);
      if (self->phase_ != Phase::serving) return;  // retired before it was empty
    }
    if (calls.is_closed()) self->natives_.events.tell(DrainedEvent{self->make_.interp});
  });
}

// The app is still being imported and is to go: raises in the importing thread until it gives way.
void Home::hurry_import() {
  for (;;) {
    {
      const std::scoped_lock lock(mutex_);
      if (!importing_ || Steady::now() > deadline_) return;
    }
    if (const Visit visit(*this); visit) {  // else it is not booted yet
      const py::VisitScope scope(interpreter_);
      const std::scoped_lock lock(mutex_);
      if (importing_) PyThreadState_SetAsyncExc(home_thread_, interrupted_.get());
      natives_.sleepers.wake(home_thread_);
    }
    std::this_thread::sleep_for(Milliseconds(50));
  }
}

}  // namespace moult
