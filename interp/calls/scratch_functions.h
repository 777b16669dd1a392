#pragma once

#include "interp/boot/natives.h"

namespace moult {

// The functions of the module `_moult` that moult.Interpreter is made of. False with an exception
// pending.
bool add_scratch_functions(const py::Attached& py, PyObject* module, PyObject* capsule);

}  // namespace moult
