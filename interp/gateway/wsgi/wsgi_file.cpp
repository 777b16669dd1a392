#include "interp/gateway/wsgi/wsgi_file.h"

#include "interp/py/types.h"

#include <sys/stat.h>
#include <string_view>

namespace moult {

namespace {

struct FileWrapperObject {
  PyObject_HEAD PyObject* filelike;
  Py_ssize_t block_size;
};

FileWrapperObject* wrapper_of(PyObject* self) { return py::object_as<FileWrapperObject>(self); }

PyObject* wrapper_new(PyTypeObject* type, PyObject* args, PyObject* names) {
  static const char* const kNames[] = {"filelike", "block_size", nullptr};
  PyObject* filelike = nullptr;
  Py_ssize_t block_size = 8192;
  if (!PyArg_ParseTupleAndKeywords(args, names, "O|n:FileWrapper", const_cast<char**>(kNames), &filelike,
                                   &block_size)) {
    return nullptr;
  }
  if (block_size <= 0) {
    PyErr_SetString(PyExc_ValueError, "block_size must be positive");
    return nullptr;
  }
  PyObject* const self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  wrapper_of(self)->filelike = Py_NewRef(filelike);
  wrapper_of(self)->block_size = block_size;
  return self;
}

PyObject* wrapper_next(PyObject* self) {
  FileWrapperObject* const wrapper = wrapper_of(self);
  py::Ref block = py::Ref::steal(PyObject_CallMethod(wrapper->filelike, "read", "n", wrapper->block_size));
  if (!block) return nullptr;
  const int more = PyObject_IsTrue(block.get());
  return more > 0 ? block.release() : nullptr;
}

PyObject* wrapper_close(PyObject* self, PyObject*) {
  const py::Ref close = py::Ref::steal(PyObject_GetAttrString(wrapper_of(self)->filelike, "close"));
  if (!close) {
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return nullptr;
    PyErr_Clear();
    Py_RETURN_NONE;
  }
  return PyObject_CallNoArgs(close.get());
}

int wrapper_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(wrapper_of(self)->filelike);
  return 0;
}

int wrapper_clear(PyObject* self) {
  Py_CLEAR(wrapper_of(self)->filelike);
  return 0;
}

void wrapper_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  wrapper_clear(self);
  py::dealloc_plain(self);
}

std::optional<long long> number_from(PyObject* object, const char* method) {
  const py::Ref result = py::Ref::steal(PyObject_CallMethod(object, method, nullptr));
  const long long number = result && PyLong_Check(result.get()) ? PyLong_AsLongLong(result.get()) : -1;
  PyErr_Clear();
  if (number < 0) return std::nullopt;
  return number;
}

}  // namespace

py::Ref make_file_wrapper_type(const py::Attached&) {
  static PyMethodDef methods[] = {
      {"close", wrapper_close, METH_NOARGS, "Closes the file."},
      {nullptr, nullptr, 0, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_new, py::slot(wrapper_new)},           {Py_tp_methods, methods},
      {Py_tp_iter, py::slot(PyObject_SelfIter)},    {Py_tp_iternext, py::slot(wrapper_next)},
      {Py_tp_traverse, py::slot(wrapper_traverse)}, {Py_tp_clear, py::slot(wrapper_clear)},
      {Py_tp_dealloc, py::slot(wrapper_dealloc)},   {0, nullptr},
  };
  static PyType_Spec spec = {"moult.FileWrapper", sizeof(FileWrapperObject), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
  return py::Ref::steal(PyType_FromSpec(&spec));
}

namespace {

// Objects that have the descriptor of a file need not read what the file holds (gzip.GzipFile does
// not): only the plain readers of `io` count.
bool is_plain_reader(PyObject* filelike) {
  const std::string_view type(Py_TYPE(filelike)->tp_name);
  if (type == "_io.FileIO") return true;
  if (type != "_io.BufferedReader") return false;
  const py::Ref raw = py::Ref::steal(PyObject_GetAttrString(filelike, "raw"));
  PyErr_Clear();
  return raw && std::string_view(Py_TYPE(raw.get())->tp_name) == "_io.FileIO";
}

}  // namespace

std::optional<FileRegionOfWrapper> regular_file_of(const py::Attached&, PyObject* wrapper) {
  PyObject* const filelike = wrapper_of(wrapper)->filelike;
  if (filelike == nullptr || !is_plain_reader(filelike)) return std::nullopt;
  const auto fd = number_from(filelike, "fileno");
  if (!fd) return std::nullopt;
  struct stat status {};
  if (::fstat(static_cast<int>(*fd), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  // The kernel's own files (proc, sysfs) have a content that their size says nothing of, and no blocks.
  if (status.st_size == 0 || status.st_blocks == 0) return std::nullopt;
  const auto offset = number_from(filelike, "tell");
  if (!offset || *offset > status.st_size) return std::nullopt;
  return FileRegionOfWrapper{static_cast<int>(*fd), static_cast<std::uint64_t>(*offset),
                             static_cast<std::uint64_t>(status.st_size - *offset)};
}

}  // namespace moult
