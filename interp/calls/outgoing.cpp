#include "interp/calls/outgoing.h"

#include <algorithm>
#include <cmath>

namespace moult {

namespace {

py::Ref sent_pair(const Outgoing& call) {
  const py::Ref args = py::Ref::steal(PyTuple_New(call.positional));
  const py::Ref kwargs = py::Ref::steal(PyDict_New());
  if (!args || !kwargs) return {};
  for (Py_ssize_t i = 0; i < call.positional; ++i) PyTuple_SET_ITEM(args.get(), i, Py_NewRef(call.args[i]));
  const Py_ssize_t keywords = call.kwnames != nullptr ? PyTuple_GET_SIZE(call.kwnames) : 0;
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    if (PyDict_SetItem(kwargs.get(), PyTuple_GET_ITEM(call.kwnames, i), call.args[call.positional + i]) != 0)
      return {};
  }
  return py::Ref::steal(PyTuple_Pack(2, args.get(), kwargs.get()));
}

}  // namespace

SpreadArguments::SpreadArguments(const py::Attached&, PyObject* args, PyObject* kwargs)
    : values_(PySequence_Fast_ITEMS(args), PySequence_Fast_ITEMS(args) + PyTuple_GET_SIZE(args)),
      positional_(PyTuple_GET_SIZE(args)),
      names_(py::Ref::steal(PySequence_Tuple(kwargs))) {
  for (Py_ssize_t i = 0; names_ && i < PyTuple_GET_SIZE(names_.get()); ++i) {
    values_.push_back(PyDict_GetItem(kwargs, PyTuple_GET_ITEM(names_.get(), i)));
  }
}

std::optional<std::string_view> utf8_of(PyObject* object, const char* what) {
  Py_ssize_t size = 0;
  if (!PyUnicode_Check(object)) {
    PyErr_Format(PyExc_TypeError, "%s must be a str, not %.80s", what, Py_TYPE(object)->tp_name);
    return std::nullopt;
  }
  const char* const data = PyUnicode_AsUTF8AndSize(object, &size);
  if (data == nullptr) return std::nullopt;
  return std::string_view(data, static_cast<std::size_t>(size));
}

bool take_timeout(PyObject* value, std::optional<SteadyTime>& deadline) {
  if (value == Py_None) return true;
  const double seconds = PyFloat_AsDouble(value);
  if (seconds == -1.0 && PyErr_Occurred() != nullptr) return false;
  if (std::isnan(seconds)) {
    PyErr_SetString(PyExc_ValueError, "timeout is not a number of seconds");
    return false;
  }
  constexpr double kLongest = 365.0 * 24 * 3600;
  deadline = Steady::now() +
             std::chrono::duration_cast<Steady::duration>(Seconds(std::clamp(seconds, 0.0, kLongest)));
  return true;
}

PyObject* raise_for(const py::Attached& py, const Outgoing& call, const CallFault& fault) {
  py::Ref sent;
  if (!fault.class_name.empty()) sent = sent_pair(call);
  PyErr_Clear();
  return raise_fault(py, fault, call.app, call.function, sent.get());
}

}  // namespace moult
