#pragma once

#include "interp/calls/gate.h"
#include "interp/py/attach.h"
#include "interp/py/ref.h"
#include "ipc/host_commands.h"

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace moult {

// How a function was exported; kept beside it in the interpreter's table of exports.
inline constexpr long kExportInline = 1;  // runs in the caller's thread even when a timeout is asked for
inline constexpr long kExportStream = 2;  // its items are sent one by one

// Where threads of other interpreters of this host come into one interpreter: what they need to
// know of it, and the thread states that they have there. One per interpreter, made by its home and
// shared with every thread that ever came in. The objects are the interpreter's own: they are used
// only while inside `calls`, and released by the home once nobody is.
class Entrance {
 public:
  Entrance(InterpNumber its_number, std::string its_app, std::uint64_t its_generation)
      : number(its_number), app(std::move(its_app)), generation(its_generation) {}

  const InterpNumber number;
  const std::string app;
  std::uint64_t generation;  // of a spare it changes, before anybody can come in

  Gate calls;  // those who run a function here; the daemon opens it (`route`) and closes it (`drain`)
  Gate alive;  // those who touch thread states here; open from the boot to the last step of the end

  // By the home, attached, before it opens `alive`.
  void furnish(const py::Attached& py, PyObject* exports, PyObject* interrupted);
  PyInterpreterState* interpreter() const { return interpreter_; }
  PyObject* exports() const { return exports_.get(); }          // dict: name -> (function, flags)
  PyObject* interrupted() const { return interrupted_.get(); }  // the exception of an interrupt

  // Names exported inline. Any thread, with or without Python.
  void set_inline(std::set<std::string, std::less<>> names);
  bool is_inline(std::string_view name) const;

  // A new state for the calling OS thread, not attached. Inside `alive`.
  PyThreadState* make_state();
  // The calling OS thread ends: its state goes, if the interpreter has not taken it already. With
  // nothing attached.
  void give_back(PyThreadState* state);
  // By the home, attached, after `alive` is closed and empty: all that are left go.
  void clear_states(const py::Attached& py);
  void release_objects(const py::Attached& py);

 private:
  PyInterpreterState* interpreter_ = nullptr;
  py::Ref exports_;
  py::Ref interrupted_;
  mutable std::mutex mutex_;  // nobody waits for a GIL while holding it
  std::set<std::string, std::less<>> inline_names_;
  std::vector<PyThreadState*> states_;
};

}  // namespace moult
