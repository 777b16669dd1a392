#pragma once

#include "interp/py/python.h"

#include <optional>

namespace moult::py {

// The thread (PyThread_get_thread_ident) whose state in `interpreter` has the GIL now; nothing when another
// interpreter's has. From a thread without any state, while the GIL does not move: what it reads may be gone
// the next moment, so it is read by the kernel, which says so instead of crashing. The interpreter is kept
// from ending by the caller.
std::optional<unsigned long> thread_with_gil(PyInterpreterState* interpreter);

}  // namespace moult::py
