#pragma once

#include "interp/boot/natives.h"

namespace moult {

// The functions of the module `_moult` that calls are made of: boot/api.py makes the module `moult`
// of them. False with an exception pending.
bool add_call_functions(const py::Attached& py, PyObject* module, PyObject* capsule);

}  // namespace moult
