#include "interp/calls/scratch_functions.h"

#include "interp/calls/enter_call.h"
#include "interp/calls/outgoing.h"
#include "interp/host/scratch.h"
#include "interp/py/types.h"

namespace moult {

namespace {

constexpr const char* kEntrance = "moult.scratch";

using Held = std::shared_ptr<Entrance>;

void destroy(PyObject* capsule) { delete static_cast<Held*>(PyCapsule_GetPointer(capsule, kEntrance)); }

PyObject* raise_with(const py::Attached& py, const Scratches::Made& made) {
  if (made.is_refused) {
    PyErr_SetString(PyExc_RuntimeError, made.problem.c_str());
    return nullptr;
  }
  const std::size_t colon = made.problem.find(": ");
  const CallFault fault{"raised", made.problem.substr(0, colon),
                        colon == std::string::npos ? std::string() : made.problem.substr(colon + 2),
                        made.traceback};
  return raise_fault(py, fault, "Interpreter", "", nullptr);
}

// scratch_make(kind, text, gil): gil is "own", "shared" or "" for what the app itself has.
PyObject* scratch_make(PyObject* self, PyObject* arguments) {
  const auto py = py::Attached::by_caller();
  Scratches::Source source;
  const char* kind = nullptr;
  const char* text = nullptr;
  const char* gil = nullptr;
  if (!PyArg_ParseTuple(arguments, "sss", &kind, &text, &gil)) return nullptr;
  source.kind = kind;
  source.text = text;
  const std::string_view wanted = gil;
  if (wanted == "own") source.mode = py::Mode::own;
  if (wanted == "shared") {
    source.mode = py::default_mode() == py::Mode::shared ? py::Mode::shared : py::Mode::strict;
  }
  std::string why_not;
  if (!py::can_have(source.mode.value_or(py::default_mode()), why_not)) {
    PyErr_SetString(PyExc_ValueError, why_not.c_str());
    return nullptr;
  }
  Natives& natives = natives_of(self);
  Scratches::Made made;
  {
    const py::DetachScope detached(py);
    made = natives.scratches->make(source);
  }
  if (!made.entrance) return raise_with(py, made);
  auto held = std::make_unique<Held>(std::move(made.entrance));
  PyObject* const capsule = PyCapsule_New(held.get(), kEntrance, destroy);
  if (capsule != nullptr) static_cast<void>(held.release());
  return capsule;
}

// scratch_call(scratch, function, args, kwargs)
PyObject* scratch_call(PyObject* self, PyObject* arguments) {
  const auto py = py::Attached::by_caller();
  PyObject* capsule = nullptr;
  const char* function = nullptr;
  PyObject* args = nullptr;
  PyObject* kwargs = nullptr;
  if (!PyArg_ParseTuple(arguments, "OsO!O!", &capsule, &function, &PyTuple_Type, &args, &PyDict_Type,
                        &kwargs))
    return nullptr;
  const auto* const held = static_cast<Held*>(PyCapsule_GetPointer(capsule, kEntrance));
  if (held == nullptr) return nullptr;
  const Held target = *held;
  Natives& natives = natives_of(self);
  ThreadCalls& calls = natives.book.here();
  if (calls.scope.depth >= kCallDepthMax)
    return raise_fault(py, too_deep(), "Interpreter", function, nullptr);
  const SpreadArguments given(py, args, kwargs);
  if (!given) return nullptr;
  Payload& message = calls.arguments();
  if (!message.encode_call(py, given.values(), given.positional(), given.names(), natives.max_payload))
    return nullptr;
  EnteredResult result = enter_call(py, natives, target, function, message);
  switch (result.ended) {
    case Ended::done: return result.value.release();
    case Ended::raised: return nullptr;
    case Ended::failed: return raise_fault(py, result.fault, "Interpreter", function, nullptr);
    case Ended::far:
      PyErr_Format(PyExc_TypeError, "%s yields items: give them back as a list from a scratch interpreter",
                   function);
      return nullptr;
    case Ended::closed: break;
  }
  message.release(py);
  return raise_fault(py, {"unavailable", {}, "this interpreter is closed"}, "Interpreter", function, nullptr);
}

// scratch_close(scratch) -> bool: it ended.
PyObject* scratch_close(PyObject* self, PyObject* capsule) {
  const auto py = py::Attached::by_caller();
  const auto* const held = static_cast<Held*>(PyCapsule_GetPointer(capsule, kEntrance));
  if (held == nullptr) return nullptr;
  const Held target = *held;
  bool ended = false;
  {
    const py::DetachScope detached(py);
    ended = natives_of(self).scratches->close(target);
  }
  return PyBool_FromLong(ended);
}

PyMethodDef kFunctions[] = {
    {"scratch_make", scratch_make, METH_VARARGS, "scratch_make(kind, text, gil)"},
    {"scratch_call", scratch_call, METH_VARARGS, "scratch_call(scratch, function, args, kwargs)"},
    {"scratch_close", scratch_close, METH_O, "scratch_close(scratch) -> whether it ended"},
};

}  // namespace

bool add_scratch_functions(const py::Attached& py, PyObject* module, PyObject* capsule) {
  return py::add_functions(py, module, kFunctions, capsule);
}

}  // namespace moult
