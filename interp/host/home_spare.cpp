#include "interp/host/home.h"
#include "interp/host/scratch.h"
#include "interp/host/spec_object.h"
#include "interp/py/error.h"

// A spare: an interpreter that was made before there is code for it, and waits for that with the
// standard library imported.

namespace moult {

void Home::give_code(LoadOrder load) {
  const std::scoped_lock lock(mutex_);
  code_ = std::move(load);
  changed_.notify_all();
}

// True at once where the code came with the command that made it. False: it is to end instead.
bool Home::wait_for_code(const py::Attached& py) {
  if (!make_.spare) return true;
  if (!preload(py)) return false;
  const bool takes_turns = wanted_.has_value();
  wanted_.reset();
  std::optional<LoadOrder> code;
  {
    const py::DetachScope detached(py);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return retire_asked_ || code_; });
    code = std::move(code_);
    if (takes_turns) wanted_.emplace(services_.turns);
  }
  return !is_retiring() && code && take_code(py, std::move(*code));
}

bool Home::preload(const py::Attached& py) {
  const py::Ref names = text_list(py, make_.modules);
  const py::Ref sources = text_list(py, make_.sources);
  const py::Ref function = py::boot_function(py, "spare", "preload");
  const py::Ref imported =
      names && sources && function
          ? py::Ref::steal(PyObject_CallFunctionObjArgs(function.get(), names.get(), sources.get(), nullptr))
          : py::Ref();
  if (!imported) {
    if (is_retiring()) {
      PyErr_Clear();  // interrupted for that
    } else {
      reject(py, "boot");  // of what is half done nothing is to be used
    }
    return false;
  }
  const SpareEvent event{make_.interp, texts_of(py, imported.get())};
  const py::DetachScope detached(py);
  natives_.events.tell(event);
  return true;
}

bool Home::take_code(const py::Attached& py, LoadOrder load) {
  began_ = Steady::now();
  make_.generation = load.generation;
  make_.spec.cause = load.cause;
  natives_.entrance->generation = load.generation;
  scratches_->set_generation(load.generation);
  enter_folder();  // it may be another one of the same name by now
  if (!open_snapshot(std::move(load.snapshot))) return false;
  const py::Ref begin = py::boot_function(py, "spare", "begin");
  const py::Ref begun = begin ? py::Ref::steal(PyObject_CallFunction(
                                    begin.get(), "Ks", static_cast<unsigned long long>(make_.generation),
                                    make_.spec.cause.c_str()))
                              : py::Ref();
  if (!begun) reject(py, "boot");
  return static_cast<bool>(begun);
}

}  // namespace moult
