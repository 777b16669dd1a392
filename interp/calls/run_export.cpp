#include "interp/calls/run_export.h"

namespace moult {

Exported find_export(const py::Attached&, PyObject* exports, std::string_view name) {
  const py::Ref key =
      py::Ref::steal(PyUnicode_DecodeUTF8(name.data(), static_cast<Py_ssize_t>(name.size()), "replace"));
  PyObject* const entry = key ? PyDict_GetItemWithError(exports, key.get()) : nullptr;
  PyErr_Clear();
  if (entry == nullptr || !PyTuple_Check(entry) || PyTuple_GET_SIZE(entry) != 2) return {};
  return {PyTuple_GET_ITEM(entry, 0), PyLong_AsLong(PyTuple_GET_ITEM(entry, 1))};
}

CallFault not_exported(const py::Attached& py, std::string_view name) {
  CallFault fault{"not_exported"};
  const py::Ref near = py::boot_function(py, "calls", "not_exported");
  const py::Ref text = near ? py::Ref::steal(PyObject_CallFunction(near.get(), "s#", name.data(),
                                                                   static_cast<Py_ssize_t>(name.size())))
                            : py::Ref();
  fault.message = py::text_of(py, text.get());
  PyErr_Clear();
  return fault;
}

Ran run_export(const py::Attached& py, PyObject* function, const PayloadView& arguments) {
  py::Ref args;
  py::Ref kwargs;
  if (!decode_call(py, arguments, args, kwargs)) return {{}, take_fault(py, "payload")};
  return run_export(py, function, args.get(), kwargs.get());
}

Ran run_export(const py::Attached& py, PyObject* function, PyObject* args, PyObject* kwargs) {
  const py::Ref kept = py::Ref::borrow(function);  // it may be exported anew while it runs
  const py::Ref context = py::Ref::steal(PyContext_New());
  if (!context || PyContext_Enter(context.get()) != 0) return {{}, take_fault(py, "raised")};
  py::Ref value = py::Ref::steal(PyObject_Call(function, args, kwargs));
  if (!value) {
    CallFault fault = take_fault(py, "raised");
    PyContext_Exit(context.get());
    return {{}, std::move(fault)};
  }
  PyContext_Exit(context.get());
  return {std::move(value)};
}

}  // namespace moult
