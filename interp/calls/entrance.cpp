#include "interp/calls/entrance.h"

#include "interp/py/attach.h"

#include <algorithm>

namespace moult {

void Entrance::furnish(const py::Attached&, PyObject* exports, PyObject* interrupted) {
  interpreter_ = PyInterpreterState_Get();
  exports_ = py::Ref::borrow(exports);
  interrupted_ = py::Ref::borrow(interrupted);
}

void Entrance::set_inline(std::set<std::string, std::less<>> names) {
  const std::scoped_lock lock(mutex_);
  inline_names_ = std::move(names);
}

bool Entrance::is_inline(std::string_view name) const {
  const std::scoped_lock lock(mutex_);
  return inline_names_.contains(name);
}

PyThreadState* Entrance::make_state() {
  PyThreadState* const state = PyThreadState_New(interpreter_);
  const std::scoped_lock lock(mutex_);
  states_.push_back(state);
  return state;
}

void Entrance::give_back(PyThreadState* state) {
  const Inside inside(alive);
  if (!inside) return;
  {
    const std::scoped_lock lock(mutex_);
    std::erase(states_, state);
  }
  const py::VisitScope visit(interpreter_);
  PyThreadState_Clear(state);
  PyThreadState_Delete(state);
}

// A state of another OS thread may be cleared and deleted by whoever holds the interpreter's GIL, as
// long as that thread is not in it and PyGILState of this thread does not point to it (it points to
// the state that is attached).
void Entrance::clear_states(const py::Attached&) {
  std::vector<PyThreadState*> states;
  {
    const std::scoped_lock lock(mutex_);
    states.swap(states_);
  }
  for (PyThreadState* state : states) {
    PyThreadState_Clear(state);
    PyThreadState_Delete(state);
  }
}

void Entrance::release_objects(const py::Attached&) {
  exports_.reset();
  interrupted_.reset();
}

}  // namespace moult
