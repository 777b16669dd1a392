#include "interp/gateway/wsgi_input.h"

#include "interp/py/types.h"

#include <algorithm>

namespace moult {

// Marks the body as being read for the length of a scope.
class RequestBody::Reading {
 public:
  explicit Reading(RequestBody& body) : body_(body), is_first_(!body.busy_) {
    body_.busy_ = true;
    if (!is_first_) PyErr_SetString(PyExc_RuntimeError, "another thread reads this wsgi.input");
  }
  ~Reading() {
    if (is_first_) body_.busy_ = false;
  }
  explicit operator bool() const { return is_first_; }

 private:
  RequestBody& body_;
  bool is_first_;
};

void RequestBody::begin(std::string_view inline_body) {
  rest_ = inline_body;
  ended_ = (call_.flags() & lane::kBodyStreams) == 0;
}

bool RequestBody::fill(const py::Attached& py) {
  const auto broken = [this] {
    ended_ = true;
    PyErr_SetString(PyExc_ConnectionError, "the client broke off before the end of the request's body");
    return false;
  };
  if (call_.gone()) return broken();
  char want[16];
  const std::size_t size = lane::encode_chunk_prefix(want, lane::FrameType::want_body, call_.number(), 0);
  if (!call_.send(py, {want, size}, {})) return broken();
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(lane::kPacketMax);
  const std::string_view packet = call_.wait_for_packet(py, {buffer_.get(), lane::kPacketMax});
  const auto piece = lane::decode_chunk(packet);
  if (!piece || (piece->flags & lane::kBroken) != 0) return broken();
  rest_ = piece->data;
  if ((piece->flags & lane::kEnd) != 0) ended_ = true;
  return true;
}

void RequestBody::take(std::size_t size) { rest_.remove_prefix(size); }

PyObject* RequestBody::read(const py::Attached& py, Py_ssize_t size) {
  const Reading reading(*this);
  if (!reading) return nullptr;
  const std::size_t wanted = size < 0 ? SIZE_MAX : static_cast<std::size_t>(size);
  if (ended_ || rest_.size() >= wanted) {
    const std::string_view piece = rest_.substr(0, wanted);
    take(piece.size());
    return PyBytes_FromStringAndSize(piece.data(), static_cast<Py_ssize_t>(piece.size()));
  }
  std::string collected;
  for (;;) {
    const std::string_view piece = rest_.substr(0, wanted - collected.size());
    collected.append(piece);
    take(piece.size());
    if (collected.size() == wanted || ended_) break;
    if (!fill(py)) return nullptr;
  }
  return PyBytes_FromStringAndSize(collected.data(), static_cast<Py_ssize_t>(collected.size()));
}

PyObject* RequestBody::read_line(const py::Attached& py, Py_ssize_t size) {
  const Reading reading(*this);
  if (!reading) return nullptr;
  const std::size_t most = size < 0 ? SIZE_MAX : static_cast<std::size_t>(size);
  std::string collected;
  for (;;) {
    const std::size_t end = rest_.find('\n');
    const std::size_t length =
        std::min(end == std::string_view::npos ? rest_.size() : end + 1, most - collected.size());
    const std::string_view piece = rest_.substr(0, length);
    collected.append(piece);
    take(length);
    if (collected.size() == most || (!piece.empty() && piece.back() == '\n') || (rest_.empty() && ended_))
      break;
    if (!fill(py)) return nullptr;
  }
  return PyBytes_FromStringAndSize(collected.data(), static_cast<Py_ssize_t>(collected.size()));
}

namespace {

struct InputObject {
  PyObject_HEAD RequestBody* body;  // null once the call is over
};

RequestBody* body_of(PyObject* self) { return py::object_as<InputObject>(self)->body; }

// "read(size=-1)", "readline(size=-1)", "readlines(hint=-1)"; None means -1.
bool parse_size(PyObject* const* args, Py_ssize_t count, Py_ssize_t& size) {
  size = -1;
  if (count > 1) {
    PyErr_SetString(PyExc_TypeError, "at most one argument is expected");
    return false;
  }
  if (count == 0 || Py_IsNone(args[0])) return true;
  size = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
  return size != -1 || PyErr_Occurred() == nullptr;
}

PyObject* input_read(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  Py_ssize_t size = -1;
  if (!parse_size(args, count, size)) return nullptr;
  RequestBody* const body = body_of(self);
  return body != nullptr ? body->read(py::Attached::by_caller(), size)
                         : PyBytes_FromStringAndSize(nullptr, 0);
}

PyObject* input_readline(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  Py_ssize_t size = -1;
  if (!parse_size(args, count, size)) return nullptr;
  RequestBody* const body = body_of(self);
  return body != nullptr ? body->read_line(py::Attached::by_caller(), size)
                         : PyBytes_FromStringAndSize(nullptr, 0);
}

PyObject* input_readlines(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  Py_ssize_t hint = -1;
  if (!parse_size(args, count, hint)) return nullptr;
  py::Ref lines = py::Ref::steal(PyList_New(0));
  Py_ssize_t total = 0;
  while (lines) {
    const py::Ref line = py::Ref::steal(input_readline(self, nullptr, 0));
    if (!line) return nullptr;
    if (PyBytes_GET_SIZE(line.get()) == 0) break;
    if (PyList_Append(lines.get(), line.get()) != 0) return nullptr;
    total += PyBytes_GET_SIZE(line.get());
    if (hint > 0 && total >= hint) break;
  }
  return lines.release();
}

PyObject* input_next(PyObject* self) {
  py::Ref line = py::Ref::steal(input_readline(self, nullptr, 0));
  return line && PyBytes_GET_SIZE(line.get()) == 0 ? nullptr : line.release();
}

}  // namespace

py::Ref make_input_type(const py::Attached&) {
  static PyMethodDef methods[] = {
      {"read", py::method(input_read), METH_FASTCALL, "read(size=-1): bytes of the request's body."},
      {"readline", py::method(input_readline), METH_FASTCALL,
       "readline(size=-1): the next line, or size bytes of it."},
      {"readlines", py::method(input_readlines), METH_FASTCALL, "readlines(hint=-1): a list of lines."},
      {nullptr, nullptr, 0, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_methods, methods},
      {Py_tp_iter, py::slot(PyObject_SelfIter)},
      {Py_tp_iternext, py::slot(input_next)},
      {Py_tp_dealloc, py::slot(py::dealloc_plain)},
      {0, nullptr},
  };
  static PyType_Spec spec = {"moult.Input", sizeof(InputObject), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  return py::Ref::steal(PyType_FromSpec(&spec));
}

py::Ref make_input(const py::Attached&, PyObject* type, RequestBody* body) {
  auto* const input = PyObject_New(InputObject, py::as_type(type));
  if (input == nullptr) return {};
  input->body = body;
  return py::Ref::steal(py::as_object(input));
}

void end_input(const py::Attached&, PyObject* input) { py::object_as<InputObject>(input)->body = nullptr; }

}  // namespace moult
