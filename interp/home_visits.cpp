#include "interp/home.h"
#include "interp/py/error.h"

#include <thread>

// What threads that are none of an interpreter's own do in it: interrupt a call, look at stacks.

namespace moult {

// A visit of another thread to this home's interpreter, which does not end meanwhile. Refused
// before the interpreter is booted and once it begins to end.
class Home::Visit {
 public:
  explicit Visit(Home& home) : home_(home) {
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
  bool allowed_ = false;
};

void Home::interrupt(std::size_t worker, std::uint64_t call) {
  std::thread([self = shared_from_this(), worker, call] {
    const Visit visit(*self);
    if (!visit) return;
    const py::VisitScope scope(self->interpreter_);
    std::unique_lock lock(self->mutex_);
    const bool serving = self->phase_ == Phase::serving && worker < self->workers_.size();
    lock.unlock();
    if (serving) self->workers_[worker]->interrupt(scope.token(), call);
  }).detach();
}

void Home::tell_stack() {
  std::thread([self = shared_from_this()] {
    std::string text = "this interpreter cannot be visited now";
    {
      const Visit visit(*self);
      if (visit) {
        const py::VisitScope scope(self->interpreter_);
        const py::Ref stack = py::boot_function(scope.token(), "shutdown", "stack");
        const py::Ref result = stack ? py::Ref::steal(PyObject_CallNoArgs(stack.get())) : py::Ref();
        text = result ? py::text_of(scope.token(), result.get()) : py::take_error(scope.token()).line;
      }
    }
    self->natives_.events.stack(self->make_.interp, text);
  }).detach();
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
    }
    std::this_thread::sleep_for(Milliseconds(50));
  }
}

}  // namespace moult
