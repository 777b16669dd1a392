#pragma once

#include "interp/calls/call_fault.h"
#include "interp/calls/entrance.h"
#include "interp/payload/payload.h"

namespace moult {

// What an exported function did in the attached interpreter: a result, or why there is none.
struct Ran {
  py::Ref value;
  std::optional<CallFault> fault{};
};

// A function of the table of exports, or nothing (a fault is to be made by the caller).
struct Exported {
  PyObject* function = nullptr;  // borrowed from the table
  long flags = 0;
  explicit operator bool() const { return function != nullptr; }
};
Exported find_export(const py::Attached& py, PyObject* exports, std::string_view name);
CallFault not_exported(const py::Attached& py, std::string_view name);

// Calls it in a context of its own, so that neither side's context variables reach the other.
Ran run_export(const py::Attached& py, PyObject* function, const PayloadView& arguments);
Ran run_export(const py::Attached& py, PyObject* function, PyObject* args, PyObject* kwargs);

}  // namespace moult
