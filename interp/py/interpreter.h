#pragma once

#include "interp/py/attach.h"
#include "ipc/base/result.h"
#include "ipc/host_commands.h"

#include <cstddef>
#include <string_view>
#include <vector>

namespace moult::py {

using Mode = InterpreterMode;

// What this version makes by default, and whether it can have `mode` safely (design.md section 7; own
// GIL from 3.14.4 on). `why_not` is for people.
Mode default_mode();
bool can_have(Mode mode, std::string& why_not);

// Makes a sub-interpreter from an OS thread that has nothing attached, and leaves the returned
// state, its only one, attached in this thread. That thread must also end it. The caller
// serialises makes and ends (cpython.md, section a). `mode` is not `main`.
Result<PyThreadState*> create_interpreter(Mode mode);

// Ends the interpreter of `state`, which is attached in this thread, the one that made it, and the
// only one of its interpreter. Afterwards nothing is attached and no GIL is held.
void end_interpreter(PyThreadState* state);

// The thread identifiers of all states of the attached interpreter but the attached one.
std::vector<unsigned long> other_threads(const Attached& py);

// What another thread wanted to raise in this one (PyThreadState_SetAsyncExc) and that was not raised yet
// is void. No lock is held: Python code runs, and an exception that is pending stays.
void forget_raise(const Attached& py);

// Can this build have sub-interpreters at all? Free-threaded builds get process isolation only.
constexpr bool has_subinterpreters() {
#ifdef Py_GIL_DISABLED
  return false;
#else
  return true;
#endif
}

}  // namespace moult::py
