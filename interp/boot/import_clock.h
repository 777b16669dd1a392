#pragma once

#include "interp/boot/natives.h"

namespace moult {

// Notes in Natives::imports what the attached interpreter imports from now on. `capsule`: the `self` of
// native functions. False with an exception pending when this Python imports in another way: then
// nothing is noted, and all else works.
bool start_import_clock(const py::Attached& py, PyObject* capsule);

// {module: (total, self)} in seconds.
PyObject* import_times(PyObject* self, PyObject*);
// compiled_here(path): did this interpreter compile that source, or find its code?
PyObject* compiled_here(PyObject* self, PyObject* path);
// module_support(module): "own-gil", "shared-gil" or "one" interpreter; "" when it cannot be known.
PyObject* module_support(PyObject*, PyObject* module);

}  // namespace moult
