#pragma once

#include "interp/payload/payload.h"

namespace moult::payload {

// What became of a value that was to be written.
enum class Written {
  done,
  not_plain,  // something in it only pickle may carry
  too_large,  // the writer knows the size
};

// Writes values of the plain types by their exact types into the message of a Payload. One per
// message, on the stack of the encoding thread. Runs no Python code of the app; what a finalizer
// might do to the containers meanwhile is noticed.
class PlainEncoder {
 public:
  PlainEncoder(const py::Attached& py, Payload& message)
      : py_(py), message_(message), writer_(message.writer()) {}

  Written write(PyObject* value, unsigned depth = 0);

 private:
  Written write_text(PyObject* text);
  Written write_int(PyObject* number);
  Written write_bytes(PyObject* bytes);
  Written write_bytearray(PyObject* bytes);
  Written write_memory(PyObject* memory);
  Written write_list(PyObject* list, unsigned depth);
  Written write_tuple(PyObject* tuple, unsigned depth);
  Written write_dict(PyObject* dict, unsigned depth);
  Written write_set(PyObject* set, Tag tag, unsigned depth);
  Written write_other(PyObject* value);
  Written write_number_of(PyObject* object, Tag tag);
  bool count(Tag short_tag, Tag long_tag, Py_ssize_t size);

  const py::Attached& py_;
  Payload& message_;
  Writer& writer_;
};

// The type, shape and place of memory that a memoryview on the other side can be made of: the format
// is one that memoryview.cast takes, and the elements lie one after another.
bool is_carryable(const Py_buffer& view);

}  // namespace moult::payload
