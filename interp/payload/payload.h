#pragma once

#include "interp/payload/payload_format.h"
#include "interp/py/attach.h"
#include "interp/py/ref.h"

#include <string>
#include <string_view>
#include <vector>

namespace moult {

// One message made from Python objects: the arguments of a call, or its result. Large buffers are
// not copied: they point into the objects, which are kept until release() (a bytearray among them
// cannot be resized meanwhile). Used again and again by one thread. What was encoded must be
// released, attached to the same interpreter, before the Payload or that interpreter ends. To
// encode may run code of the app (a __reduce__), and that may make calls: they need another
// Payload, see is_encoding().
class Payload {
 public:
  Payload() = default;
  Payload(const Payload&) = delete;
  Payload& operator=(const Payload&) = delete;

  // Arguments as vectorcall hands them over: `positional` values of `args`, then the values of the
  // keywords in `kwnames` (a tuple or null). False: an exception is pending: moult.PayloadError,
  // which names the place, moult.PayloadTooLarge, or what is no Exception (an interruption).
  bool encode_call(const py::Attached& py, PyObject* const* args, Py_ssize_t positional, PyObject* kwnames,
                   std::size_t max_bytes);
  bool encode_value(const py::Attached& py, PyObject* value, std::size_t max_bytes);
  // True while code of the app may run inside of encode_…; to encode now is refused.
  bool is_encoding() const { return is_encoding_; }
  // Lets the objects go, in the interpreter that encoded. The message is gone.
  void release(const py::Attached& py);

  // Valid until release() or the next encode.
  PayloadView view() const { return {writer_.text(), buffers_}; }
  std::size_t flat_size() const { return FlatPayload::flat_size(view()); }
  // Appends the message as one string (FlatPayload::parse), for a lane.
  void flatten(std::string& out) const { FlatPayload::flatten(view(), out); }

  // For the encoders (payload_encode.cpp, payload_pickle.cpp).
  payload::Writer& writer() { return writer_; }
  // The number of a buffer that `object` has, which is kept with its memory (a memoryview of it).
  // Nothing when the message is too large now. One that is the same object as an earlier one has
  // the same number when `shared`.
  enum class Sharing { none, same_object };
  std::optional<std::uint32_t> add_buffer(const py::Attached& py, PyObject* object, py::Ref memory,
                                          Sharing sharing);

 private:
  // One object whose bytes are a buffer of the message.
  struct Kept {
    py::Ref object;
    py::Ref memory;
  };
  bool is_free(const py::Attached& py) const;
  bool begin(const py::Attached& py, payload::Form form, std::size_t max_bytes);
  bool pickle(const py::Attached& py, payload::Form form, PyObject* value, std::size_t max_bytes,
              const char* explanation);
  bool refuse_size(const py::Attached& py);
  void release_pending(const py::Attached& py);

  payload::Writer writer_;
  std::vector<std::string_view> buffers_;
  std::vector<Kept> kept_;
  bool is_encoding_ = false;
};

// The value of a message, made of new objects of the attached interpreter. Null: an exception is
// pending: moult.PayloadError, with `class_name` when the receiver could not make an instance of
// that class; or what is no Exception.
py::Ref decode_value(const py::Attached& py, const PayloadView& payload);
// A tuple, and a dict or null when there are no keywords. False: an exception is pending, as above.
bool decode_call(const py::Attached& py, const PayloadView& payload, py::Ref& args, py::Ref& kwargs);

}  // namespace moult
