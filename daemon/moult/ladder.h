#pragma once

#include "daemon/serve/interpreter.h"

#include <string_view>

namespace moult {

// Whether a rejection says that an extension module cannot live in a sub-interpreter, so that the
// app belongs into a process of its own (cpython.md, section d, has the texts). Pure.
bool wants_process(const Rejection& rejection);

// Whether it says that its process has no descriptor left, which may be another app's doing. Pure.
bool lacks_descriptors(const Rejection& rejection);

// One sentence for `compat`: which module, and what it said.
std::string reason_for_process(const Rejection& rejection);

// "numpy.core._multiarray_umath refuses sub-interpreters (/srv/shop/views.py:12)".
std::string describe(const RefusalNote& refused);
// Of an app that was loaded in spite of what refused its interpreter.
Rejection rejection_of(std::vector<RefusalNote> refused);

}  // namespace moult
