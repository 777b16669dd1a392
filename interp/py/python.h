#pragma once

// The one place that includes CPython's headers. What differs between the versions that we build
// for (3.11 to 3.15) is settled here or in py/interpreter.cpp.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_VERSION_HEX < 0x030B0000
#error "Moult hosts need Python 3.11 or later"
#endif
