#pragma once

#include "interp/boot/natives.h"

namespace moult {

// Adds to `_moult` what boot/verdict.py, extensions.py and lookahead.py need to find out what cannot be in a
// sub-interpreter. `capsule`: of natives_of(). False: an exception is pending.
bool add_verdict_functions(const py::Attached& py, PyObject* module, PyObject* capsule);

// Of a tuple of boot/verdict.py.
std::optional<RefusalNote> refusal_from(const py::Attached& py, PyObject* tuple);

}  // namespace moult
