// A module that claims to live in any interpreter and takes the process down in all but the main one.

#include <Python.h>

#include <cstdlib>

namespace {

PyObject* answer(PyObject*, PyObject*) { return PyLong_FromLong(42); }

int execute(PyObject*) {
  if (PyInterpreterState_Get() != PyInterpreterState_Main()) std::abort();
  return 0;
}

PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(execute)},
#if PY_VERSION_HEX >= 0x030C0000
                            {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
                            {0, nullptr}};
PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "crashes_outside_main", nullptr, 0, methods, slots, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_crashes_outside_main() { return PyModuleDef_Init(&module); }
