#include "interp/py/error.h"

namespace moult::py {

Ref take_exception(const Attached&) {
#if PY_VERSION_HEX >= 0x030C0000
  return Ref::steal(PyErr_GetRaisedException());
#else
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback != nullptr && value != nullptr) PyException_SetTraceback(value, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return Ref::steal(value);
#endif
}

std::string text_of(const Attached&, PyObject* object) {
  if (object == nullptr) return {};
  Py_ssize_t size = 0;
  if (PyUnicode_Check(object)) {
    if (const char* text = PyUnicode_AsUTF8AndSize(object, &size))
      return {text, static_cast<std::size_t>(size)};
    PyErr_Clear();
    const Ref bytes = Ref::steal(PyUnicode_AsEncodedString(object, "utf-8", "backslashreplace"));
    if (bytes)
      return {PyBytes_AS_STRING(bytes.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get()))};
  }
  PyErr_Clear();
  return {};
}

Ref boot_function(const Attached&, const char* module, const char* function) {
  const Ref name = Ref::steal(PyUnicode_FromFormat("_moult.%s", module));
  if (!name) return {};
  PyObject* const found = PyDict_GetItemWithError(PyImport_GetModuleDict(), name.get());
  if (found != nullptr) return Ref::steal(PyObject_GetAttrString(found, function));
  if (PyErr_Occurred() != nullptr) return {};
  const Ref loaded = Ref::steal(PyImport_Import(name.get()));  // on demand
  return loaded ? Ref::steal(PyObject_GetAttrString(loaded.get(), function)) : Ref();
}

ErrorText take_error(const Attached& py) {
  const Ref error = take_exception(py);
  ErrorText text;
  if (!error) {
    text.line = "an error without an exception";
    return text;
  }
  text.line = Py_TYPE(error.get())->tp_name;
  const Ref describe = boot_function(py, "errors", "describe");
  Ref described = describe ? Ref::steal(PyObject_CallOneArg(describe.get(), error.get())) : Ref();
  if (describe && !described) {  // an interrupt of the call hits this code of ours as well: once more
    PyErr_Clear();
    described = Ref::steal(PyObject_CallOneArg(describe.get(), error.get()));
  }
  PyObject* line = nullptr;
  PyObject* traceback = nullptr;
  PyObject* file = nullptr;
  if (described && PyArg_ParseTuple(described.get(), "OOOi", &line, &traceback, &file, &text.number)) {
    text.line = text_of(py, line);
    text.traceback = text_of(py, traceback);
    text.file = text_of(py, file);
  }
  PyErr_Clear();
  return text;
}

}  // namespace moult::py
