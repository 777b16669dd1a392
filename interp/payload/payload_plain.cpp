#include "interp/payload/payload_plain.h"

#include <datetime.h>

#include <string_view>

namespace moult::payload {

namespace {

// Room for anything that has no content of its own.
constexpr std::size_t kSmall = Writer::kSlack;

std::size_t unsigned_size(Py_ssize_t size) { return static_cast<std::size_t>(size); }

// Bytes that hold a number with its sign.
std::size_t bytes_of(PyObject* number) {
#if PY_VERSION_HEX >= 0x030D0000
  return unsigned_size(PyLong_AsNativeBytes(number, nullptr, 0, Py_ASNATIVEBYTES_LITTLE_ENDIAN));
#else
  return _PyLong_NumBits(number) / 8 + 1;
#endif
}

void copy_number(PyObject* number, char* to, std::size_t size) {
#if PY_VERSION_HEX >= 0x030D0000
  PyLong_AsNativeBytes(number, to, static_cast<Py_ssize_t>(size), Py_ASNATIVEBYTES_LITTLE_ENDIAN);
#else
  auto* const object = static_cast<PyLongObject*>(static_cast<void*>(number));
  _PyLong_AsByteArray(object, static_cast<unsigned char*>(static_cast<void*>(to)), size, 1, 1);
#endif
}

// A type of the C module, not one that only has its name.
bool is_datetime_type(const PyTypeObject* type, std::string_view name) {
  return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 && name == type->tp_name;
}

}  // namespace

bool is_carryable(const Py_buffer& view) {
  if (PyBuffer_IsContiguous(&view, 'C') == 0) return false;
  const std::string_view format = view.format != nullptr ? view.format : "B";
  if (item_size(format) != unsigned_size(view.itemsize)) return false;
  if (view.ndim == 1) return true;
  for (int i = 0; i < view.ndim; ++i) {
    if (view.shape[i] == 0) return false;  // cast() does not make these
  }
  return true;
}

// The types that are seen most come first.
Written PlainEncoder::write(PyObject* value, unsigned depth) {
  const PyTypeObject* const type = Py_TYPE(value);
  if (type == &PyUnicode_Type) return write_text(value);
  if (type == &PyLong_Type) return write_int(value);
  if (type == &PyDict_Type) return write_dict(value, depth);
  if (type == &PyList_Type) return write_list(value, depth);
  if (!writer_.room(kSmall)) return Written::too_large;
  if (value == Py_None) return writer_.put(Tag::none), Written::done;
  if (value == Py_True) return writer_.put(Tag::yes), Written::done;
  if (value == Py_False) return writer_.put(Tag::no), Written::done;
  if (type == &PyFloat_Type) {
    writer_.put(Tag::real);
    writer_.put(PyFloat_AS_DOUBLE(value));
    return Written::done;
  }
  if (type == &PyTuple_Type) return write_tuple(value, depth);
  if (type == &PyBytes_Type) return write_bytes(value);
  if (type == &PyByteArray_Type) return write_bytearray(value);
  if (type == &PyMemoryView_Type) return write_memory(value);
  if (type == &PySet_Type) return write_set(value, Tag::set, depth);
  if (type == &PyFrozenSet_Type) return write_set(value, Tag::frozen_set, depth);
  return write_other(value);
}

Written PlainEncoder::write_text(PyObject* text) {
#if PY_VERSION_HEX < 0x030C0000
  if (PyUnicode_READY(text) != 0) return Written::not_plain;
#endif
  const std::size_t size = unsigned_size(PyUnicode_GET_LENGTH(text)) * unsigned_size(PyUnicode_KIND(text));
  if (!writer_.room(kSmall + size)) return Written::too_large;
  const void* const data = PyUnicode_DATA(text);
  if (PyUnicode_IS_ASCII(text)) {
    writer_.put_sized(Tag::ascii_short, Tag::ascii, size);
  } else {
    const Tag tags[] = {Tag::latin1, Tag::latin1, Tag::ucs2, Tag::ucs2, Tag::ucs4};  // by kind
    writer_.put_sized(tags[PyUnicode_KIND(text)], unsigned_size(PyUnicode_GET_LENGTH(text)));
  }
  writer_.put_bytes(data, size);
  return Written::done;
}

Written PlainEncoder::write_int(PyObject* number) {
  if (!writer_.room(kSmall)) return Written::too_large;
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow != 0) {
    const std::size_t size = bytes_of(number);
    if (!writer_.room(kSmall + size)) return Written::too_large;
    writer_.put_sized(Tag::big_int, size);
    copy_number(number, writer_.put_space(size), size);
    return Written::done;
  }
  if (value == static_cast<std::int8_t>(value)) {
    writer_.put(Tag::int8);
    writer_.put(static_cast<std::int8_t>(value));
  } else if (value == static_cast<std::int32_t>(value)) {
    writer_.put(Tag::int32);
    writer_.put(static_cast<std::int32_t>(value));
  } else {
    writer_.put(Tag::int64);
    writer_.put(static_cast<std::int64_t>(value));
  }
  return Written::done;
}

Written PlainEncoder::write_number_of(PyObject* object, Tag tag) {
  py::Ref memory = py::Ref::steal(PyMemoryView_FromObject(object));
  if (!memory) {
    PyErr_Clear();  // pickle comes to the same and says so
    return Written::not_plain;
  }
  const auto number = message_.add_buffer(py_, object, std::move(memory), Payload::Sharing::none);
  if (!number || !writer_.room(kSmall)) return Written::too_large;
  writer_.put(tag);
  writer_.put(*number);
  return Written::done;
}

Written PlainEncoder::write_bytes(PyObject* bytes) {
  const std::size_t size = unsigned_size(PyBytes_GET_SIZE(bytes));
  if (size >= kBufferMin) return write_number_of(bytes, Tag::bytes_buffer);
  if (!writer_.room(kSmall + size)) return Written::too_large;
  writer_.put_sized(Tag::bytes_short, Tag::bytes, size);
  writer_.put_bytes(PyBytes_AS_STRING(bytes), size);
  return Written::done;
}

Written PlainEncoder::write_bytearray(PyObject* bytes) {
  const std::size_t size = unsigned_size(PyByteArray_GET_SIZE(bytes));
  if (size >= kBufferMin) return write_number_of(bytes, Tag::bytearray_buffer);
  if (!writer_.room(kSmall + size)) return Written::too_large;
  writer_.put_sized(Tag::bytearray, size);
  writer_.put_bytes(PyByteArray_AS_STRING(bytes), size);
  return Written::done;
}

Written PlainEncoder::write_memory(PyObject* memory) {
  py::Ref held = py::Ref::steal(PyMemoryView_FromObject(memory));
  if (!held || !is_carryable(*PyMemoryView_GET_BUFFER(held.get()))) {
    PyErr_Clear();
    return Written::not_plain;
  }
  const Py_buffer& view = *PyMemoryView_GET_BUFFER(held.get());
  const std::string_view format = view.format != nullptr ? view.format : "B";
  const std::size_t size = unsigned_size(view.len);
  const bool in_buffer = size >= kBufferMin;
  const std::size_t lengths = view.ndim == 1 ? 0 : unsigned_size(view.ndim) * sizeof(std::uint64_t);
  if (!writer_.room(kSmall + lengths + (in_buffer ? 0 : size))) return Written::too_large;
  writer_.put(in_buffer ? Tag::memory_buffer : Tag::memory);
  writer_.put(static_cast<std::uint8_t>(format.size()));
  writer_.put_bytes(format.data(), format.size());
  writer_.put(static_cast<std::uint8_t>(view.ndim));
  for (int i = 0; view.ndim != 1 && i < view.ndim; ++i) {
    writer_.put(static_cast<std::uint64_t>(view.shape[i]));
  }
  if (!in_buffer) {
    writer_.put(static_cast<std::uint32_t>(size));
    writer_.put_bytes(view.buf, size);
    return Written::done;
  }
  const auto number = message_.add_buffer(py_, memory, std::move(held), Payload::Sharing::none);
  if (!number || !writer_.room(kSmall)) return Written::too_large;
  writer_.put(*number);
  return Written::done;
}

bool PlainEncoder::count(Tag short_tag, Tag long_tag, Py_ssize_t size) {
  // Each value has a byte at least: what cannot fit is not begun.
  if (!writer_.room(kSmall + unsigned_size(size))) return false;
  writer_.put_sized(short_tag, long_tag, unsigned_size(size));
  return true;
}

Written PlainEncoder::write_list(PyObject* list, unsigned depth) {
  if (depth >= kDepthMax) return Written::not_plain;
  const Py_ssize_t size = PyList_GET_SIZE(list);
  if (!count(Tag::list_short, Tag::list, size)) return Written::too_large;
  for (Py_ssize_t i = 0; i < size; ++i) {
    if (PyList_GET_SIZE(list) != size) return Written::not_plain;
    const py::Ref item = py::Ref::borrow(PyList_GET_ITEM(list, i));
    if (const Written written = write(item.get(), depth + 1); written != Written::done) return written;
  }
  return Written::done;
}

Written PlainEncoder::write_tuple(PyObject* tuple, unsigned depth) {
  if (depth >= kDepthMax) return Written::not_plain;
  const Py_ssize_t size = PyTuple_GET_SIZE(tuple);
  if (!count(Tag::tuple_short, Tag::tuple, size)) return Written::too_large;
  for (Py_ssize_t i = 0; i < size; ++i) {
    if (const Written written = write(PyTuple_GET_ITEM(tuple, i), depth + 1); written != Written::done)
      return written;
  }
  return Written::done;
}

Written PlainEncoder::write_dict(PyObject* dict, unsigned depth) {
  if (depth >= kDepthMax) return Written::not_plain;
  const Py_ssize_t size = PyDict_Size(dict);
  if (!count(Tag::dict_short, Tag::dict, size)) return Written::too_large;
  Py_ssize_t position = 0;
  Py_ssize_t written_items = 0;
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  for (; PyDict_Next(dict, &position, &key, &value) != 0; ++written_items) {
    if (written_items == size) return Written::not_plain;
    const py::Ref held_key = py::Ref::borrow(key);
    const py::Ref held_value = py::Ref::borrow(value);
    Written written = write(key, depth + 1);
    if (written == Written::done) written = write(value, depth + 1);
    if (written != Written::done) return written;
  }
  return written_items == size ? Written::done : Written::not_plain;
}

Written PlainEncoder::write_set(PyObject* set, Tag tag, unsigned depth) {
  if (depth >= kDepthMax) return Written::not_plain;
  const Py_ssize_t size = PySet_GET_SIZE(set);
  if (!writer_.room(kSmall + unsigned_size(size))) return Written::too_large;
  writer_.put_sized(tag, unsigned_size(size));
  const py::Ref walk = py::Ref::steal(PyObject_GetIter(set));
  Py_ssize_t written_items = 0;
  while (walk) {
    const py::Ref item = py::Ref::steal(PyIter_Next(walk.get()));
    if (!item) break;
    if (const Written written = write(item.get(), depth + 1); written != Written::done) return written;
    ++written_items;
  }
  PyErr_Clear();  // "changed size during iteration": let pickle say so
  return written_items == size ? Written::done : Written::not_plain;
}

// The macros of datetime.h cast what they are given in the manner of C.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"

namespace {

void put_date(Writer& writer, PyObject* date) {
  writer.put(static_cast<std::uint16_t>(PyDateTime_GET_YEAR(date)));
  writer.put(static_cast<std::uint8_t>(PyDateTime_GET_MONTH(date)));
  writer.put(static_cast<std::uint8_t>(PyDateTime_GET_DAY(date)));
}

}  // namespace

Written PlainEncoder::write_other(PyObject* value) {
  const PyTypeObject* const type = Py_TYPE(value);
  if (is_datetime_type(type, "datetime.datetime")) {
    if (PyDateTime_DATE_GET_TZINFO(value) != Py_None) return Written::not_plain;
    writer_.put(Tag::date_time);
    put_date(writer_, value);
    writer_.put(static_cast<std::uint8_t>(PyDateTime_DATE_GET_HOUR(value)));
    writer_.put(static_cast<std::uint8_t>(PyDateTime_DATE_GET_MINUTE(value)));
    writer_.put(static_cast<std::uint8_t>(PyDateTime_DATE_GET_SECOND(value)));
    writer_.put(static_cast<std::uint32_t>(PyDateTime_DATE_GET_MICROSECOND(value)));
    writer_.put(static_cast<std::uint8_t>(PyDateTime_DATE_GET_FOLD(value)));
    return Written::done;
  }
  if (is_datetime_type(type, "datetime.date")) {
    writer_.put(Tag::date);
    put_date(writer_, value);
    return Written::done;
  }
  if (is_datetime_type(type, "datetime.time")) {
    if (PyDateTime_TIME_GET_TZINFO(value) != Py_None) return Written::not_plain;
    writer_.put(Tag::time);
    writer_.put(static_cast<std::uint8_t>(PyDateTime_TIME_GET_HOUR(value)));
    writer_.put(static_cast<std::uint8_t>(PyDateTime_TIME_GET_MINUTE(value)));
    writer_.put(static_cast<std::uint8_t>(PyDateTime_TIME_GET_SECOND(value)));
    writer_.put(static_cast<std::uint32_t>(PyDateTime_TIME_GET_MICROSECOND(value)));
    writer_.put(static_cast<std::uint8_t>(PyDateTime_TIME_GET_FOLD(value)));
    return Written::done;
  }
  if (is_datetime_type(type, "datetime.timedelta")) {
    writer_.put(Tag::duration);
    writer_.put(static_cast<std::int32_t>(PyDateTime_DELTA_GET_DAYS(value)));
    writer_.put(static_cast<std::int32_t>(PyDateTime_DELTA_GET_SECONDS(value)));
    writer_.put(static_cast<std::int32_t>(PyDateTime_DELTA_GET_MICROSECONDS(value)));
    return Written::done;
  }
  return Written::not_plain;
}

#pragma GCC diagnostic pop

}  // namespace moult::payload
