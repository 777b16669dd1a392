#pragma once

#include "interp/py/attach.h"
#include "interp/py/ref.h"

#include <string>
#include <string_view>

namespace moult::py {

// A Python exception as values, so that it can leave its interpreter.
struct ErrorText {
  std::string line;       // "ValueError: no such thing"
  std::string traceback;  // whole, also of its causes; at most 64 KiB
  std::string file;       // innermost place inside the app's tree, or ""
  int number = 0;         // line in `file`
};

// Takes the pending exception of the calling thread (there must be one) and describes it with the
// interpreter's boot module `errors`. Never leaves an exception pending; SystemExit is an
// exception like any other here (PyErr_Print would end the process).
ErrorText take_error(const Attached& py);

// The pending exception as an object, with its traceback set; none is pending afterwards.
Ref take_exception(const Attached& py);

// UTF-8 of a str; what UTF-8 cannot say is written with backslashes. Never fails.
std::string text_of(const Attached& py, PyObject* object);

// sys.modules["_moult.<name>"].<function>; null with an exception pending when there is none.
Ref boot_function(const Attached& py, const char* module, const char* function);

}  // namespace moult::py
