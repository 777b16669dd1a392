#include "interp/calls/call_fault.h"

#include <fmt/format.h>

namespace moult {

namespace {

py::Ref text(std::string_view value) {
  return py::Ref::steal(PyUnicode_DecodeUTF8(value.data(), static_cast<Py_ssize_t>(value.size()), "replace"));
}

}  // namespace

CallFault too_deep() {
  return {"cycle", {}, fmt::format("calls are nested more than {} deep", kCallDepthMax)};
}

CallFault take_fault(const py::Attached& py, std::string_view reason) {
  CallFault fault{std::string(reason)};
  const py::Ref error = py::take_exception(py);
  if (!error) return fault;
  fault.type = Py_TYPE(error.get())->tp_name;
  const py::Ref describe = py::boot_function(py, "calls", "describe_fault");
  py::Ref told = describe ? py::Ref::steal(PyObject_CallOneArg(describe.get(), error.get())) : py::Ref();
  if (describe && !told) {  // an interrupt hits this code of ours as well: once more
    PyErr_Clear();
    told = py::Ref::steal(PyObject_CallOneArg(describe.get(), error.get()));
  }
  const auto field = [&](Py_ssize_t at) { return py::text_of(py, PyTuple_GET_ITEM(told.get(), at)); };
  if (told && PyTuple_Check(told.get()) && PyTuple_GET_SIZE(told.get()) == 7) {
    fault.type = field(0);
    fault.message = field(1);
    fault.traceback = field(2);
    fault.path = field(3);
    fault.class_name = field(4);
    fault.file = field(5);
    fault.line = static_cast<int>(PyLong_AsLong(PyTuple_GET_ITEM(told.get(), 6)));
    if (reason == "payload" && fault.type == "moult.PayloadTooLarge") fault.reason = "too_large";
  }
  PyErr_Clear();
  return fault;
}

PyObject* raise_fault(const py::Attached& py, const CallFault& fault, std::string_view app,
                      std::string_view function, PyObject* sent) {
  const py::Ref raise = py::boot_function(py, "calls", "raise_fault");
  const py::Ref reason = text(fault.reason);
  const py::Ref type = text(fault.type);
  const py::Ref message = text(fault.hint.empty() ? fault.message : fault.message + "; " + fault.hint);
  const py::Ref traceback = text(fault.traceback);
  const py::Ref path = text(fault.path);
  const py::Ref class_name = text(fault.class_name);
  const py::Ref app_name = text(app);
  const py::Ref function_name = text(function);
  if (!raise || !reason || !type || !message || !traceback || !path || !class_name || !app_name ||
      !function_name)
    return nullptr;
  PyObject* args[] = {reason.get(),    type.get(),          message.get(),
                      traceback.get(), path.get(),          class_name.get(),
                      app_name.get(),  function_name.get(), sent != nullptr ? sent : Py_None};
  const py::Ref never = py::Ref::steal(PyObject_Vectorcall(raise.get(), args, 9, nullptr));
  if (never) PyErr_SetString(PyExc_RuntimeError, "a call failed and nothing was raised");
  return nullptr;
}

}  // namespace moult
