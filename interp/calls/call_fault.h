#pragma once

#include "interp/py/error.h"

#include <optional>
#include <string>
#include <string_view>

namespace moult {

// Why a call has no result, as values that go from one interpreter to another. `reason` is a word of
// ipc/PROTOCOL.md ("raised", "not_exported", "payload", …).
struct CallFault {
  std::string reason;
  std::string type{};       // of the exception: "ValueError", "shop.models.Missing"
  std::string message{};    // its str()
  std::string traceback{};  // whole, as text
  std::string path{};       // of a payload: "argument 'order'[2]"
  std::string class_name{};
  std::string file{};  // innermost place in the app's tree
  int line = 0;
};

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

// The JSON object of ipc/PROTOCOL.md, and back.
std::string fault_to_json(const CallFault& fault);
CallFault fault_from_json(std::string_view reason, std::string_view json);

}  // namespace moult
