#include "interp/payload/payload_pickle.h"

#include "interp/payload/payload_plain.h"
#include "interp/py/error.h"

namespace moult::payload {

namespace {

constexpr const char* kCapsule = "moult.payload";

// The C++ object that a native function works on while a pickle is written or read. Python code of
// the app may keep the function; after this scope it only raises.
template <typename Target>
class Lent {
 public:
  Lent(const py::Attached&, Target& target)
      : capsule_(py::Ref::steal(PyCapsule_New(&target, kCapsule, nullptr))) {
    if (capsule_) PyCapsule_SetContext(capsule_.get(), &target);
  }
  ~Lent() {
    if (capsule_) PyCapsule_SetContext(capsule_.get(), nullptr);
  }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  py::Ref function(PyMethodDef& definition) const {
    return capsule_ ? py::Ref::steal(PyCFunction_New(&definition, capsule_.get())) : py::Ref();
  }
  // Null: an exception is pending.
  static Target* of(PyObject* capsule) {
    void* const target = PyCapsule_GetContext(capsule);
    if (target == nullptr && PyErr_Occurred() == nullptr)
      PyErr_SetString(PyExc_RuntimeError, "the message is done");
    return static_cast<Target*>(target);
  }

 private:
  py::Ref capsule_;
};

using Buffers = std::span<const std::string_view>;

// What an exception is pending for is not looked at: the writer knows that it is too large.
PyObject* refuse() {
  PyErr_SetString(PyExc_OverflowError, "the message is too large");
  return nullptr;
}

// Pickler.write: a piece of the pickle.
PyObject* write(PyObject* self, PyObject* piece) {
  Payload* const message = Lent<Payload>::of(self);
  Py_buffer view;
  if (message == nullptr || PyObject_GetBuffer(piece, &view, PyBUF_SIMPLE) != 0) return nullptr;
  const auto size = static_cast<std::size_t>(view.len);
  const bool fits = message->writer().room(size);
  if (fits) message->writer().put_bytes(view.buf, size);
  PyBuffer_Release(&view);
  if (!fits) return refuse();
  Py_RETURN_NONE;
}

py::Ref shape_of(const Py_buffer& view) {
  if (view.ndim == 1) return py::Ref::borrow(Py_None);
  py::Ref shape = py::Ref::steal(PyTuple_New(view.ndim));
  for (int i = 0; shape && i < view.ndim; ++i) {
    PyObject* const length = PyLong_FromSsize_t(view.shape[i]);
    if (length == nullptr) return {};
    PyTuple_SET_ITEM(shape.get(), i, length);
  }
  return shape;
}

// The persistent identifiers are (kind, number of a buffer or bytes, format, shape); boot/payload.py
// makes the objects of them.
PyObject* identify_memory(const py::Attached& py, Payload& message, PyObject* memory) {
  if (!check_memory(py, memory)) return nullptr;
  py::Ref held = py::Ref::steal(PyMemoryView_FromObject(memory));
  if (!held) return nullptr;
  const Py_buffer& view = *PyMemoryView_GET_BUFFER(held.get());
  const py::Ref shape = shape_of(view);
  if (!shape) return nullptr;
  const std::string format = view.format != nullptr ? view.format : "B";
  py::Ref source;
  if (static_cast<std::size_t>(view.len) < kBufferMin) {
    source = py::Ref::steal(PyBytes_FromStringAndSize(static_cast<const char*>(view.buf), view.len));
  } else {
    const auto number = message.add_buffer(py, memory, std::move(held), Payload::Sharing::same_object);
    if (!number) return refuse();
    source = py::Ref::steal(PyLong_FromUnsignedLong(*number));
  }
  return source ? Py_BuildValue("(sOsO)", "memory", source.get(), format.c_str(), shape.get()) : nullptr;
}

PyObject* identify_bytes(const py::Attached& py, Payload& message, PyObject* object, const char* kind) {
  py::Ref held = py::Ref::steal(PyMemoryView_FromObject(object));
  if (!held) return nullptr;
  const auto number = message.add_buffer(py, object, std::move(held), Payload::Sharing::same_object);
  return number ? Py_BuildValue("(sIOO)", kind, *number, Py_None, Py_None) : refuse();
}

// Pickler.persistent_id, which sees each object of a pickle first: None for what the pickle itself
// is to hold.
PyObject* persistent_id(PyObject* self, PyObject* object) {
  const PyTypeObject* const type = Py_TYPE(object);
  const bool is_text = type == &PyUnicode_Type;
  if (!is_text && type != &PyBytes_Type && type != &PyByteArray_Type && type != &PyMemoryView_Type &&
      type != &PyPickleBuffer_Type)
    Py_RETURN_NONE;
  const auto py = py::Attached::by_caller();
  Payload* const message = Lent<Payload>::of(self);
  if (message == nullptr) return nullptr;
  const auto is_large = [](Py_ssize_t size) { return static_cast<std::size_t>(size) >= kBufferMin; };
  if (type == &PyMemoryView_Type) return identify_memory(py, *message, object);
  if (type == &PyBytes_Type && is_large(PyBytes_GET_SIZE(object)))
    return identify_bytes(py, *message, object, "bytes");
  if (type == &PyByteArray_Type && is_large(PyByteArray_GET_SIZE(object)))
    return identify_bytes(py, *message, object, "bytearray");
  if (type == &PyPickleBuffer_Type) {
    const Py_buffer* const view = PyPickleBuffer_GetBuffer(object);
    if (view == nullptr) return nullptr;
    if (is_large(view->len) && PyBuffer_IsContiguous(view, 'A') != 0)
      return identify_bytes(py, *message, object, view->readonly != 0 ? "bytes" : "bytearray");
  }
  // Before it is copied to be encoded.
  if (is_text && is_large(PyUnicode_GET_LENGTH(object)) &&
      !message->writer().room(static_cast<std::size_t>(PyUnicode_GET_LENGTH(object))))
    return refuse();
  Py_RETURN_NONE;
}

// take(kind, number): the bytes of a buffer as a new object.
PyObject* take(PyObject* self, PyObject* args) {
  const Buffers* const buffers = Lent<Buffers>::of(self);
  const char* kind = nullptr;
  Py_ssize_t number = 0;
  if (buffers == nullptr || !PyArg_ParseTuple(args, "sn", &kind, &number)) return nullptr;
  if (number < 0 || static_cast<std::size_t>(number) >= buffers->size()) {
    PyErr_SetString(PyExc_ValueError, "malformed message");
    return nullptr;
  }
  const std::string_view bytes = (*buffers)[static_cast<std::size_t>(number)];
  const auto size = static_cast<Py_ssize_t>(bytes.size());
  return std::string_view(kind) == "bytearray" ? PyByteArray_FromStringAndSize(bytes.data(), size)
                                               : PyBytes_FromStringAndSize(bytes.data(), size);
}

}  // namespace

bool check_memory(const py::Attached&, PyObject* memory) {
  const py::Ref held = py::Ref::steal(PyMemoryView_FromObject(memory));
  if (!held) return false;
  const Py_buffer& view = *PyMemoryView_GET_BUFFER(held.get());
  if (is_carryable(view)) return true;
  if (PyBuffer_IsContiguous(&view, 'C') == 0) {
    PyErr_SetString(PyExc_BufferError,
                    "a memoryview whose elements do not lie one after another cannot be carried");
  } else {
    PyErr_Format(PyExc_BufferError, "a memoryview of format '%s' and this shape cannot be carried",
                 view.format != nullptr ? view.format : "B");
  }
  return false;
}

bool write_pickle(const py::Attached& py, Payload& message, PyObject* value) {
  static PyMethodDef write_definition{"write", write, METH_O, nullptr};
  static PyMethodDef identify_definition{"persistent_id", persistent_id, METH_O, nullptr};
  const Lent<Payload> lent(py, message);
  const py::Ref dump = py::boot_function(py, "payload", "dump");
  const py::Ref write_function = lent.function(write_definition);
  const py::Ref identify = lent.function(identify_definition);
  if (!dump || !write_function || !identify) return false;
  return bool(py::Ref::steal(
      PyObject_CallFunctionObjArgs(dump.get(), value, write_function.get(), identify.get(), nullptr)));
}

py::Ref read_pickle(const py::Attached& py, std::string_view pickle, Buffers buffers) {
  static PyMethodDef take_definition{"take", take, METH_VARARGS, nullptr};
  const Lent<Buffers> lent(py, buffers);
  const py::Ref load = py::boot_function(py, "payload", "load");
  const py::Ref take_function = lent.function(take_definition);
  const py::Ref bytes =
      py::Ref::steal(PyBytes_FromStringAndSize(pickle.data(), static_cast<Py_ssize_t>(pickle.size())));
  if (!load || !take_function || !bytes) return {};
  return py::Ref::steal(PyObject_CallFunctionObjArgs(load.get(), bytes.get(), take_function.get(), nullptr));
}

}  // namespace moult::payload
