#include "interp/boot/import_clock.h"

#include "interp/py/error.h"
#include "interp/py/types.h"

#include <algorithm>
#include <utility>

// importlib._bootstrap._find_and_load is what every import comes to that finds its module not loaded,
// from the C code of `import` and from importlib.import_module alike (3.11 to 3.15). A hack: it is
// replaced by a function that calls it and looks at the clock. Being C, it adds no frame to tracebacks,
// and none that CPython would have to strip (remove_importlib_frames in Python/import.c).

namespace moult {

namespace {

constexpr const char* kImportlib = "_frozen_importlib";
constexpr const char* kFunction = "_find_and_load";

// What the import under way in this thread has led to. No pointers into the stack: with greenlets the
// imports of one thread need not end in the reverse of their order.
thread_local Steady::duration inner{};

// Where there is no sys.modules any more, at the end of an interpreter, nothing is noted.
bool is_loaded(PyObject* name) {
  PyObject* const modules = PySys_GetObject("modules");
  if (modules == nullptr || !PyDict_Check(modules)) return true;
  const int found = PyDict_Contains(modules, name);
  if (found < 0) PyErr_Clear();
  return found != 0;
}

// `self`: the capsule, and the function that does it.
PyObject* find_and_load(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  PyObject* const original = PyTuple_GET_ITEM(self, 1);
  const auto call = [&] {
    return PyObject_Vectorcall(original, arguments, static_cast<std::size_t>(count), names);
  };
  if (count < 1 || !PyUnicode_Check(arguments[0]) || is_loaded(arguments[0])) return call();
  const Steady::duration before = std::exchange(inner, {});
  const SteadyTime began = Steady::now();
  PyObject* const module = call();
  const Steady::duration total = Steady::now() - began;
  const Steady::duration own = std::max(total - inner, Steady::duration{});
  inner = before + total;
  Py_ssize_t size = 0;
  const char* const name = module != nullptr ? PyUnicode_AsUTF8AndSize(arguments[0], &size) : nullptr;
  if (name != nullptr) {
    natives_of(PyTuple_GET_ITEM(self, 0)).imports.add({name, static_cast<std::size_t>(size)}, {total, own});
  } else if (module != nullptr) {
    PyErr_Clear();
  }
  return module;
}

PyMethodDef kClock = {kFunction, py::method(find_and_load), METH_FASTCALL | METH_KEYWORDS, nullptr};

double seconds(Steady::duration time) { return Seconds(time).count(); }

}  // namespace

bool start_import_clock(const py::Attached&, PyObject* capsule) {
  PyObject* const importlib = PyDict_GetItemString(PyImport_GetModuleDict(), kImportlib);
  if (importlib == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "there is no importlib");
    return false;
  }
  const py::Ref original = py::Ref::steal(PyObject_GetAttrString(importlib, kFunction));
  const py::Ref self = original ? py::Ref::steal(PyTuple_Pack(2, capsule, original.get())) : py::Ref();
  const py::Ref clock = self ? py::Ref::steal(PyCFunction_New(&kClock, self.get())) : py::Ref();
  return clock && PyObject_SetAttrString(importlib, kFunction, clock.get()) == 0;
}

PyObject* import_times(PyObject* self, PyObject*) {
  py::Ref times = py::Ref::steal(PyDict_New());
  if (!times) return nullptr;
  for (const auto& [module, taken] : natives_of(self).imports.times()) {
    const py::Ref name =
        py::Ref::steal(PyUnicode_FromStringAndSize(module.data(), static_cast<Py_ssize_t>(module.size())));
    const py::Ref pair = py::Ref::steal(Py_BuildValue("dd", seconds(taken.total), seconds(taken.self)));
    if (!name || !pair || PyDict_SetItem(times.get(), name.get(), pair.get()) != 0) return nullptr;
  }
  return times.release();
}

PyObject* compiled_here(PyObject* self, PyObject* path) {
  return PyBool_FromLong(natives_of(self).imports.was_compiled(py::text_of(py::Attached::by_caller(), path)));
}

// The slot stands for its default when it is missing. Its number is 3 in modules that were built with
// headers before 3.15's (PEP 820), and what the headers say in others.
PyObject* module_support(PyObject*, PyObject* module) {
  const PyModuleDef* const definition = PyModule_Check(module) ? PyModule_GetDef(module) : nullptr;
  PyErr_Clear();
  if (definition == nullptr) return PyUnicode_FromString("");
  if (definition->m_slots == nullptr) return PyUnicode_FromString("one");
#if PY_VERSION_HEX >= 0x030C0000
  constexpr int kOldNumber = 3;
  for (const PyModuleDef_Slot* slot = definition->m_slots; slot->slot != 0; ++slot) {
    if (slot->slot != kOldNumber && slot->slot != Py_mod_multiple_interpreters) continue;
    if (slot->value == Py_MOD_PER_INTERPRETER_GIL_SUPPORTED) return PyUnicode_FromString("own-gil");
    if (slot->value == Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED) return PyUnicode_FromString("one");
  }
#endif
  return PyUnicode_FromString("shared-gil");
}

}  // namespace moult
