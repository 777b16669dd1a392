#pragma once

#include "interp/py/attach.h"
#include "interp/py/ref.h"

#include <span>

namespace moult::py {

// Casts that PyType_Slot and PyMethodDef ask for.
template <typename Function>
void* slot(Function* function) {
  return reinterpret_cast<void*>(function);
}
template <typename Function>
PyCFunction method(Function* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// An object of one of our own types as its C++ struct, and back.
template <typename Struct>
Struct* object_as(PyObject* object) {
  return static_cast<Struct*>(static_cast<void*>(object));
}
inline PyObject* as_object(void* object) { return static_cast<PyObject*>(object); }
inline PyTypeObject* as_type(PyObject* type) { return static_cast<PyTypeObject*>(static_cast<void*>(type)); }

// tp_dealloc of a heap type whose instances own nothing.
inline void dealloc_plain(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

// Puts functions into a module, with `self` (may be null) for each. False with an exception pending.
inline bool add_functions(const Attached&, PyObject* module, std::span<PyMethodDef> definitions,
                          PyObject* self) {
  for (PyMethodDef& definition : definitions) {
    const Ref function = Ref::steal(PyCFunction_New(&definition, self));
    if (!function || PyObject_SetAttrString(module, definition.ml_name, function.get()) != 0) return false;
  }
  return true;
}

}  // namespace moult::py
