#pragma once

#include "interp/py/error.h"
#include "ipc/function_call.h"

namespace moult {

// How many calls may be nested, over all hosts.
inline constexpr int kCallDepthMax = 32;
CallFault too_deep();

// The pending exception (there must be one); none is pending afterwards.
CallFault take_fault(const py::Attached& py, std::string_view reason);

// Raises it in the attached interpreter as the exception of moult that it stands for. `sent`: the
// arguments as a pair (tuple, dict or None), to say where in them an object of `class_name` is; may
// be null. Always returns null.
PyObject* raise_fault(const py::Attached& py, const CallFault& fault, std::string_view app,
                      std::string_view function, PyObject* sent);

}  // namespace moult
