#include "interp/payload/payload_natives.h"

#include "interp/payload/payload.h"
#include "interp/payload/payload_pickle.h"
#include "interp/py/types.h"

namespace moult {

namespace {

constexpr Py_ssize_t kMost = Py_ssize_t{256} * 1024 * 1024;

// Encodes a message, uses it, and releases it in any case.
template <typename Encode, typename Use>
PyObject* with_message(const py::Attached& py, const Encode& encode, const Use& use) {
  Payload message;
  py::Ref result;
  if (encode(message)) result = use(message);
  message.release(py);
  return result.release();
}

py::Ref flat_bytes(const Payload& message) {
  std::string flat;
  message.flatten(flat);
  return py::Ref::steal(PyBytes_FromStringAndSize(flat.data(), static_cast<Py_ssize_t>(flat.size())));
}

PyObject* pack(PyObject*, PyObject* args) {
  const auto py = py::Attached::by_caller();
  PyObject* value = nullptr;
  Py_ssize_t most = kMost;
  if (!PyArg_ParseTuple(args, "O|n", &value, &most)) return nullptr;
  return with_message(
      py, [&](Payload& message) { return message.encode_value(py, value, static_cast<std::size_t>(most)); },
      flat_bytes);
}

PyObject* pack_call(PyObject*, PyObject* const* args, Py_ssize_t positional, PyObject* kwnames) {
  const auto py = py::Attached::by_caller();
  return with_message(
      py, [&](Payload& message) { return message.encode_call(py, args, positional, kwnames, kMost); },
      flat_bytes);
}

// The message in a bytes object. False: an exception is pending.
bool parse(PyObject* bytes, std::optional<FlatPayload>& flat) {
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_AsStringAndSize(bytes, &data, &size) != 0) return false;
  flat = FlatPayload::parse({data, static_cast<std::size_t>(size)});
  if (!flat) PyErr_SetString(PyExc_ValueError, "malformed message");
  return flat.has_value();
}

PyObject* unpack(PyObject*, PyObject* bytes) {
  std::optional<FlatPayload> flat;
  return parse(bytes, flat) ? decode_value(py::Attached::by_caller(), flat->view()).release() : nullptr;
}

PyObject* unpack_call(PyObject*, PyObject* bytes) {
  std::optional<FlatPayload> flat;
  py::Ref args;
  py::Ref kwargs;
  if (!parse(bytes, flat) || !decode_call(py::Attached::by_caller(), flat->view(), args, kwargs))
    return nullptr;
  return PyTuple_Pack(2, args.get(), kwargs ? kwargs.get() : Py_None);
}

PyObject* copy(PyObject*, PyObject* args) {
  const auto py = py::Attached::by_caller();
  PyObject* value = nullptr;
  Py_ssize_t encodes = 1;
  Py_ssize_t decodes = 1;
  if (!PyArg_ParseTuple(args, "O|nn", &value, &encodes, &decodes)) return nullptr;
  const auto encode = [&](Payload& message) {
    for (Py_ssize_t i = 1; i < encodes; ++i) {
      if (!message.encode_value(py, value, kMost)) return false;
      message.release(py);
    }
    return message.encode_value(py, value, kMost);
  };
  return with_message(py, encode, [&](const Payload& message) {
    py::Ref made;
    for (Py_ssize_t i = 0; i < decodes; ++i) {
      made = decode_value(py, message.view());
      if (!made) break;
    }
    return made;
  });
}

PyObject* check_memory(PyObject*, PyObject* memory) {
  if (!payload::check_memory(py::Attached::by_caller(), memory)) return nullptr;
  Py_RETURN_NONE;
}

PyMethodDef kFunctions[] = {
    {"payload_pack", pack, METH_VARARGS, "payload_pack(value, max_bytes=…): a message as bytes."},
    {"payload_unpack", unpack, METH_O, "payload_unpack(bytes): the value of a message."},
    {"payload_pack_call", py::method(pack_call), METH_FASTCALL | METH_KEYWORDS,
     "payload_pack_call(*args, **kwargs): these arguments as a message."},
    {"payload_unpack_call", unpack_call, METH_O, "payload_unpack_call(bytes): (args, kwargs or None)."},
    {"payload_copy", copy, METH_VARARGS,
     "payload_copy(value, encodes=1, decodes=1): the value after so many times each, for measurements."},
    {"payload_check_memory", check_memory, METH_O,
     "payload_check_memory(view): raises BufferError when it cannot be carried."},
};

}  // namespace

bool add_payload_functions(const py::Attached& py, PyObject* module) {
  return py::add_functions(py, module, kFunctions, nullptr);
}

}  // namespace moult
