#include "interp/payload/payload.h"

#include "interp/payload/payload_pickle.h"
#include "interp/payload/payload_plain.h"
#include "interp/py/error.h"

#include <algorithm>
#include <utility>

namespace moult {

using payload::Form;
using payload::PlainEncoder;
using payload::Written;

namespace {

// The arguments as the objects that a function gets.
struct Arguments {
  py::Ref args;
  py::Ref kwargs;  // None when there are no keywords
};

Arguments arguments_from(PyObject* const* args, Py_ssize_t positional, PyObject* kwnames) {
  Arguments made{py::Ref::steal(PyTuple_New(positional)), {}};
  if (!made.args) return {};
  for (Py_ssize_t i = 0; i < positional; ++i) PyTuple_SET_ITEM(made.args.get(), i, Py_NewRef(args[i]));
  const Py_ssize_t keywords = kwnames != nullptr ? PyTuple_GET_SIZE(kwnames) : 0;
  made.kwargs = keywords > 0 ? py::Ref::steal(PyDict_New()) : py::Ref::borrow(Py_None);
  for (Py_ssize_t i = 0; made.kwargs && i < keywords; ++i) {
    if (PyDict_SetItem(made.kwargs.get(), PyTuple_GET_ITEM(kwnames, i), args[positional + i]) != 0) return {};
  }
  return made;
}

Written write_arguments(const py::Attached& py, Payload& message, PyObject* const* args,
                        Py_ssize_t positional, PyObject* kwnames) {
  const Py_ssize_t keywords = kwnames != nullptr ? PyTuple_GET_SIZE(kwnames) : 0;
  payload::Writer& writer = message.writer();
  if (!writer.room(2 * sizeof(std::uint32_t))) return Written::too_large;
  writer.put(static_cast<std::uint32_t>(positional));
  writer.put(static_cast<std::uint32_t>(keywords));
  PlainEncoder encoder(py, message);
  for (Py_ssize_t i = 0; i < positional; ++i) {
    if (const Written written = encoder.write(args[i]); written != Written::done) return written;
  }
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    Written written = encoder.write(PyTuple_GET_ITEM(kwnames, i));
    if (written == Written::done) written = encoder.write(args[positional + i]);
    if (written != Written::done) return written;
  }
  return writer.finish() ? Written::done : Written::too_large;
}

// Is something pending that is no Exception, and so has nothing to do with the message?
bool is_interruption(const py::Attached&) {
  return PyErr_Occurred() != nullptr && PyErr_ExceptionMatches(PyExc_Exception) == 0;
}

// Has boot/payload.py say why a message cannot be made; the pending exception is replaced.
void explain(const py::Attached& py, const char* function, PyObject* value) {
  const py::Ref error = py::take_exception(py);
  const py::Ref explanation = py::boot_function(py, "payload", function);
  const py::Ref refusal =
      explanation && error
          ? py::Ref::steal(PyObject_CallFunctionObjArgs(explanation.get(), value, error.get(), nullptr))
          : py::Ref();
  if (refusal) PyErr_SetObject(PyExceptionInstance_Class(refusal.get()), refusal.get());
}

}  // namespace

bool Payload::is_free(const py::Attached&) const {
  if (is_encoding_) PyErr_SetString(PyExc_RuntimeError, "a message is being made of other values here");
  return !is_encoding_;
}

bool Payload::begin(const py::Attached& py, Form form, std::size_t max_bytes) {
  if (!kept_.empty()) release(py);
  buffers_.clear();
  writer_.begin(max_bytes);
  if (!writer_.room(1)) return false;
  writer_.put(form);
  return true;
}

bool Payload::encode_call(const py::Attached& py, PyObject* const* args, Py_ssize_t positional,
                          PyObject* kwnames, std::size_t max_bytes) {
  if (!is_free(py)) return false;
  const Written written = begin(py, Form::call, max_bytes)
                              ? write_arguments(py, *this, args, positional, kwnames)
                              : Written::too_large;
  if (written == Written::done) return true;
  if (written == Written::too_large) return refuse_size(py);
  const Arguments made = arguments_from(args, positional, kwnames);
  const py::Ref both =
      made.kwargs ? py::Ref::steal(PyTuple_Pack(2, made.args.get(), made.kwargs.get())) : py::Ref();
  return both && pickle(py, Form::pickled_call, both.get(), max_bytes, "refusal_of_call");
}

bool Payload::encode_value(const py::Attached& py, PyObject* value, std::size_t max_bytes) {
  if (!is_free(py)) return false;
  Written written =
      begin(py, Form::value, max_bytes) ? PlainEncoder(py, *this).write(value) : Written::too_large;
  if (written == Written::done && !writer_.finish()) written = Written::too_large;
  if (written == Written::done) return true;
  if (written == Written::too_large) return refuse_size(py);
  return pickle(py, Form::pickled_value, value, max_bytes, "refusal_of_value");
}

bool Payload::pickle(const py::Attached& py, Form form, PyObject* value, std::size_t max_bytes,
                     const char* explanation) {
  if (!begin(py, form, max_bytes)) return refuse_size(py);
  is_encoding_ = true;
  const bool written = payload::write_pickle(py, *this, value) && writer_.finish();
  const bool too_large = !written && writer_.too_large() && !is_interruption(py);
  if (!written && !too_large) explain(py, explanation, value);
  is_encoding_ = false;
  if (too_large) return refuse_size(py);
  if (!written) release_pending(py);
  return written;
}

// Lets the objects go while an exception is pending.
void Payload::release_pending(const py::Attached& py) {
  const py::Ref error = py::take_exception(py);
  release(py);
  if (error) PyErr_SetObject(PyExceptionInstance_Class(error.get()), error.get());
}

bool Payload::refuse_size(const py::Attached& py) {
  PyErr_Clear();
  const std::size_t wanted = writer_.wanted();
  const std::size_t limit = writer_.max_bytes();
  release(py);
  const py::Ref refuse = py::boot_function(py, "payload", "too_large");
  const py::Ref refusal =
      refuse ? py::Ref::steal(PyObject_CallFunction(refuse.get(), "nn", wanted, limit)) : py::Ref();
  if (refusal) PyErr_SetObject(PyExceptionInstance_Class(refusal.get()), refusal.get());
  return false;
}

void Payload::release(const py::Attached&) {
  // Last of all: a finalizer that runs here may encode something itself.
  const std::vector<Kept> kept = std::exchange(kept_, {});
  buffers_.clear();
  writer_.shrink();
}

std::optional<std::uint32_t> Payload::add_buffer(const py::Attached&, PyObject* object, py::Ref memory,
                                                 Sharing sharing) {
  if (sharing == Sharing::same_object) {
    const auto known = std::find_if(kept_.begin(), kept_.end(),
                                    [&](const Kept& kept) { return kept.object.get() == object; });
    if (known != kept_.end()) return static_cast<std::uint32_t>(known - kept_.begin());
  }
  const Py_buffer& view = *PyMemoryView_GET_BUFFER(memory.get());
  const auto size = static_cast<std::size_t>(view.len);
  if (!writer_.spend(size)) return std::nullopt;
  buffers_.emplace_back(static_cast<const char*>(view.buf), size);
  kept_.push_back({py::Ref::borrow(object), std::move(memory)});
  return static_cast<std::uint32_t>(kept_.size() - 1);
}

}  // namespace moult
