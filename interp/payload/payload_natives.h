#pragma once

#include "interp/py/attach.h"

namespace moult {

// Adds to the module `_moult` the functions that make and read messages by themselves: boot/payload.py
// needs one of them, the tests and measurements of the codec the others. False: an exception is
// pending.
bool add_payload_functions(const py::Attached& py, PyObject* module);

}  // namespace moult
