#include "interp/gateway/wsgi/wsgi_response.h"
#include "interp/py/types.h"

#include <structmember.h>
#include <cstddef>

// The Python side of a Response: the callables start_response and write.

namespace moult {

namespace {

struct StartResponseObject {
  PyObject_HEAD vectorcallfunc call;
  Response* response;  // null once the call is over
  PyObject* write_type;
};

struct WriteObject {
  PyObject_HEAD PyObject* start_response;
};

PyObject* over() {
  PyErr_SetString(PyExc_RuntimeError, "this call is over");
  return nullptr;
}

PyObject* start_response_call(PyObject* self, PyObject* const* args, std::size_t count_and_flag,
                              PyObject* names) {
  auto* const object = py::object_as<StartResponseObject>(self);
  if (object->response == nullptr) return over();
  const Py_ssize_t count = PyVectorcall_NARGS(count_and_flag);
  PyObject* exc_info = count > 2 ? args[2] : nullptr;
  if (names != nullptr && PyTuple_GET_SIZE(names) == 1 && count == 2 &&
      PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "exc_info") == 0) {
    exc_info = args[2];
  } else if ((names != nullptr && PyTuple_GET_SIZE(names) > 0) || count < 2 || count > 3) {
    PyErr_SetString(PyExc_TypeError, "start_response(status, headers, exc_info=None)");
    return nullptr;
  }
  if (!object->response->start(py::Attached::by_caller(), args[0], args[1], exc_info)) return nullptr;
  auto* const write = PyObject_GC_New(WriteObject, py::as_type(object->write_type));
  if (write == nullptr) return nullptr;
  write->start_response = Py_NewRef(self);
  PyObject_GC_Track(py::as_object(write));
  return py::as_object(write);
}

void start_response_dealloc(PyObject* self) {
  Py_DECREF(py::object_as<StartResponseObject>(self)->write_type);
  py::dealloc_plain(self);
}

PyObject* write_call(PyObject* self, PyObject* args, PyObject*) {
  PyObject* data = nullptr;
  if (!PyArg_ParseTuple(args, "O:write", &data)) return nullptr;
  Response* const response =
      py::object_as<StartResponseObject>(py::object_as<WriteObject>(self)->start_response)->response;
  if (response == nullptr) return over();
  if (!PyBytes_Check(data)) {
    PyErr_Format(PyExc_TypeError, "write() takes bytes, not %.80s", Py_TYPE(data)->tp_name);
    return nullptr;
  }
  const std::string_view bytes(PyBytes_AS_STRING(data), static_cast<std::size_t>(PyBytes_GET_SIZE(data)));
  if (!response->write(py::Attached::by_caller(), bytes)) return nullptr;
  Py_RETURN_NONE;
}

int write_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(py::object_as<WriteObject>(self)->start_response);
  return 0;
}

void write_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  Py_DECREF(py::object_as<WriteObject>(self)->start_response);
  py::dealloc_plain(self);
}

}  // namespace

ResponderTypes make_responder_types(const py::Attached&) {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(StartResponseObject, call), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyType_Slot start_slots[] = {
      {Py_tp_members, members},
      {Py_tp_call, py::slot(PyVectorcall_Call)},
      {Py_tp_dealloc, py::slot(start_response_dealloc)},
      {0, nullptr},
  };
  static PyType_Spec start_spec = {
      "moult.start_response", sizeof(StartResponseObject), 0,
      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION, start_slots};
  static PyType_Slot write_slots[] = {
      {Py_tp_call, py::slot(write_call)},
      {Py_tp_traverse, py::slot(write_traverse)},
      {Py_tp_dealloc, py::slot(write_dealloc)},
      {0, nullptr},
  };
  static PyType_Spec write_spec = {
      "moult.write", sizeof(WriteObject), 0,
      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, write_slots};
  return {py::Ref::steal(PyType_FromSpec(&start_spec)), py::Ref::steal(PyType_FromSpec(&write_spec))};
}

py::Ref make_start_response(const py::Attached&, const ResponderTypes& types, Response* response) {
  auto* const object = PyObject_New(StartResponseObject, py::as_type(types.start_response.get()));
  if (object == nullptr) return {};
  object->call = start_response_call;
  object->response = response;
  object->write_type = Py_NewRef(types.write.get());
  return py::Ref::steal(py::as_object(object));
}

void end_start_response(const py::Attached&, PyObject* start_response) {
  py::object_as<StartResponseObject>(start_response)->response = nullptr;
}

}  // namespace moult
