#pragma once

#include "interp/py/python.h"

namespace moult::py {

// Can a thread go from one interpreter to another and back? On 3.12 and later always. On 3.11 code
// that uses PyGILState (callbacks of ctypes and sqlite3) would run in the interpreter that the thread
// began in, so the thread's PyGILState slot has to be set by hand, and that must be known to work.
// Asked first by main, on a thread with a state attached.
bool can_swap();

// Detaches what is attached and attaches `state`, which belongs to the calling OS thread; waits for
// the GIL of its interpreter. Returns what was attached.
PyThreadState* swap(PyThreadState* state);

}  // namespace moult::py
