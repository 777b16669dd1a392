#include "interp/boot/verdict_natives.h"

#include "interp/py/error.h"
#include "interp/py/types.h"

namespace moult {

namespace {

PyObject* refused(PyObject* self, PyObject* args) {
  const auto py = py::Attached::by_caller();
  Natives& natives = natives_of(self);
  if (auto refusal = refusal_from(py, args)) {
    const py::DetachScope detached(py);
    natives.events.tell(RefusedEvent{natives.interp, std::move(*refusal)});
  }
  Py_RETURN_NONE;
}

PyObject* may_move(PyObject* self, PyObject*) { return PyBool_FromLong(natives_of(self).may_move); }

PyObject* move_call(PyObject* self, PyObject*) {
  return PyBool_FromLong(natives_of(self).book.here().move());
}

// "multi-phase", "single-phase", or "" for what is no module. A module without a definition, or
// whose definition has no slots, was made by PyModule_Create: one C state for all interpreters.
PyObject* module_kind(PyObject*, PyObject* module) {
  if (!PyModule_Check(module)) return PyUnicode_FromString("");
  const PyModuleDef* const definition = PyModule_GetDef(module);
  PyErr_Clear();
#if PY_VERSION_HEX >= 0x030F0000
  void* token = nullptr;  // of modules that are made from slots alone, too: PEP 793
  if (definition == nullptr && PyModule_GetToken(module, &token) == 0 && token != nullptr)
    return PyUnicode_FromString("multi-phase");
  PyErr_Clear();
#endif
  const bool multi = definition != nullptr && definition->m_slots != nullptr;
  return PyUnicode_FromString(multi ? "multi-phase" : "single-phase");
}

PyObject* extension_objection(PyObject* self, PyObject* file) {
  const auto py = py::Attached::by_caller();
  Natives& natives = natives_of(self);
  const std::string path = py::text_of(py, file);
  std::string_view objection;
  {
    const py::DetachScope detached(py);
    objection = natives.extensions.objection(path);
  }
  return PyUnicode_FromStringAndSize(objection.data(), static_cast<Py_ssize_t>(objection.size()));
}

PyObject* extensions_below(PyObject* self, PyObject* folder) {
  const auto py = py::Attached::by_caller();
  Natives& natives = natives_of(self);
  const std::string path = py::text_of(py, folder);
  auto found = natives.extensions.known_below(path);
  if (!found) {
    const py::DetachScope detached(py);
    found = natives.extensions.objections_below(path);
  }
  py::Ref list = py::Ref::steal(PyList_New(0));
  for (const ExtensionFiles::Found& file : *found) {
    const py::Ref item = py::Ref::steal(Py_BuildValue("ss", file.path.c_str(), file.objection.data()));
    if (!list || !item || PyList_Append(list.get(), item.get()) != 0) return nullptr;
  }
  return list.release();
}

PyMethodDef kFunctions[] = {
    {"refused", refused, METH_VARARGS, "refused(what, path, error, file, line): tells the daemon."},
    {"may_move", may_move, METH_NOARGS, "may_move(): does a process of its own wait for the app?"},
    {"move_call", move_call, METH_NOARGS,
     "move_call(): has what this thread serves it done there, if it can be."},
    {"module_kind", module_kind, METH_O, "module_kind(module): how an extension module was made."},
    {"extension_objection", extension_objection, METH_O,
     "extension_objection(file): what speaks against it, or ''."},
    {"extensions_below", extensions_below, METH_O,
     "extensions_below(folder): [(file, what speaks against sub-interpreters)]."},
};

}  // namespace

bool add_verdict_functions(const py::Attached& py, PyObject* module, PyObject* capsule) {
  return py::add_functions(py, module, kFunctions, capsule);
}

std::optional<RefusalNote> refusal_from(const py::Attached& py, PyObject* tuple) {
  if (!PyTuple_Check(tuple) || PyTuple_GET_SIZE(tuple) != 5) return std::nullopt;
  const auto field = [&](Py_ssize_t at) { return py::text_of(py, PyTuple_GET_ITEM(tuple, at)); };
  return RefusalNote{field(0), field(1), field(2), field(3),
                     static_cast<int>(PyLong_AsLong(PyTuple_GET_ITEM(tuple, 4)))};
}

}  // namespace moult
