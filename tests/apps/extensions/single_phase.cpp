// A module of the old kind, made by PyModule_Create: it has one state for the whole process, and says
// by that that it cannot live in sub-interpreters.

#include <Python.h>

namespace {

PyObject* answer(PyObject*, PyObject*) { return PyLong_FromLong(42); }

PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "single_phase", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_single_phase() { return PyModule_Create(&module); }
