#pragma once

#include "interp/calls/call_fault.h"
#include "ipc/base/clock.h"

#include <optional>
#include <string_view>
#include <vector>

namespace moult {

// One call as its caller makes it, on the stack of the calling thread: views and borrowed references
// of the caller's objects.
struct Outgoing {
  std::string_view app;
  std::string_view function;
  PyObject* const* args = nullptr;  // positional, then those of `kwnames`
  Py_ssize_t positional = 0;
  PyObject* kwnames = nullptr;
  std::optional<SteadyTime> deadline{};  // of its own
};

// A tuple and a dict, laid out as a call hands its arguments over. Borrows their objects.
class SpreadArguments {
 public:
  SpreadArguments(const py::Attached& py, PyObject* args, PyObject* kwargs);
  explicit operator bool() const { return static_cast<bool>(names_); }  // false: an exception is pending
  PyObject* const* values() const { return values_.data(); }
  Py_ssize_t positional() const { return positional_; }
  PyObject* names() const { return names_.get(); }

 private:
  std::vector<PyObject*> values_;
  Py_ssize_t positional_;
  py::Ref names_;
};

// A view of the str, which must live on. Nothing: an exception is pending that says what `what` is to be.
std::optional<std::string_view> utf8_of(PyObject* object, const char* what);

// Seconds from now on, or None. False with an exception pending.
bool take_timeout(PyObject* value, std::optional<SteadyTime>& deadline);

// Raises what the call ended with; always null.
PyObject* raise_for(const py::Attached& py, const Outgoing& call, const CallFault& fault);

}  // namespace moult
