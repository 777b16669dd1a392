#include "interp/gateway/wsgi/wsgi_server.h"

#include "interp/py/error.h"

#include "interp/gateway/wsgi/wsgi_file.h"
#include "interp/py/types.h"

#include <fmt/format.h>

namespace moult {

namespace {

std::string_view bytes_of(PyObject* bytes) {
  return {PyBytes_AS_STRING(bytes), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes))};
}

bool is_bytes(PyObject* item) {
  if (PyBytes_Check(item)) return true;
  PyErr_Format(PyExc_TypeError, "the app's iterable must yield bytes, not %.80s", Py_TYPE(item)->tp_name);
  return false;
}

bool has_size(PyObject* object) {
  const PySequenceMethods* const methods = Py_TYPE(object)->tp_as_sequence;
  return methods != nullptr && methods->sq_length != nullptr;
}

}  // namespace

WsgiTypes WsgiTypes::make(const py::Attached& py) {
  return {make_input_type(py), make_file_wrapper_type(py), make_responder_types(py)};
}

WsgiServer::WsgiServer(const py::Attached& py, const WorkerLanes& lanes, PyObject* callable,
                       const WsgiTypes& types, const EnvironFacts& facts, Natives& natives)
    : callable_(callable),
      types_(types),
      natives_(natives),
      call_(lanes, natives.book.here().scope),
      body_(call_),
      response_(call_),
      environs_(py, facts),
      empty_input_(make_input(py, types.input.get(), nullptr)),
      close_name_(py::Ref::steal(PyUnicode_InternFromString("close"))) {}

WsgiServer::~WsgiServer() = default;

void WsgiServer::serve(const py::Attached& py, const lane::Request& request) {
  call_.begin(request.head);
  body_.begin(request.body);
  response_.begin();
  const bool has_body = !request.body.empty() || (request.head.flags & lane::kBodyStreams) != 0;
  const py::Ref input = has_body ? make_input(py, types_.input.get(), &body_) : empty_input_.copy();
  const py::Ref start_response = make_start_response(py, types_.responder, &response_);
  const py::Ref environ = input && start_response ? environs_.build(py, request, input.get()) : py::Ref();
  const bool ok = environ && call_app(py, environ.get(), start_response.get());
  if (!ok) fail_call(py, request.head);
  if (!response_.ended()) response_.fail(py, "the client has gone");
  if (response_.was_cut()) {
    log_error(py, "the app yielded more than its Content-Length; the rest was dropped", {});
  }
  if (has_body && input) end_input(py, input.get());
  if (start_response) end_start_response(py, start_response.get());
}

bool WsgiServer::call_app(const py::Attached& py, PyObject* environ, PyObject* start_response) {
  PyObject* args[] = {nullptr, environ, start_response};
  const py::Ref result =
      py::Ref::steal(PyObject_Vectorcall(callable_, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
  return result && deliver(py, result.get());
}

bool WsgiServer::deliver(const py::Attached& py, PyObject* result) {
  if (PyBytes_Check(result)) return deliver_bytes(py, result);
  if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) return deliver_items(py, result);
  if (PyUnicode_Check(result)) {
    PyErr_SetString(PyExc_TypeError, "the app returned a str; WSGI wants an iterable of bytes");
    return false;
  }
  bool done = false;
  bool ok = true;
  if (Py_TYPE(result) == py::as_type(types_.file_wrapper.get())) {
    ok = deliver_file(py, result, done);
  }
  if (ok && !done) ok = deliver_iterable(py, result);
  if (!ok) {
    // The error is the news; what close() says on top of it goes to the log.
    py::Ref error = py::take_exception(py);
    if (!close(py, result)) log_error(py, "close() failed", py::take_error(py).traceback);
    if (error) PyErr_SetObject(PyExceptionInstance_Class(error.get()), error.get());
    return false;
  }
  return finish(py, result);
}

// close() first, then the end: the call is over only when the app is done with it.
bool WsgiServer::finish(const py::Attached& py, PyObject* result) {
  if (!close(py, result)) log_error(py, "close() failed", py::take_error(py).traceback);
  if (response_.ended() || call_.gone()) return true;
  return response_.send_last(py, {});
}

bool WsgiServer::deliver_bytes(const py::Attached& py, PyObject* bytes) {
  const std::string_view data = bytes_of(bytes);
  if (!data.empty() || !call_.is_head()) response_.set_length(data.size());
  return response_.send_last(py, data);
}

// A list or tuple: its whole length is known, and nothing runs between two items.
bool WsgiServer::deliver_items(const py::Attached& py, PyObject* items) {
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(items);
  PyObject* const* const list = PySequence_Fast_ITEMS(items);
  std::size_t total = 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (!is_bytes(list[i])) return false;
    total += bytes_of(list[i]).size();
  }
  if (total > 0 || !call_.is_head()) response_.set_length(total);
  if (count == 1) return response_.send_last(py, bytes_of(list[0]));
  if (total <= lane::kChunkMax) {
    joined_.clear();
    for (Py_ssize_t i = 0; i < count; ++i) joined_.append(bytes_of(list[i]));
    return response_.send_last(py, joined_);
  }
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items) && !call_.gone(); ++i) {
    // A send may let other threads run, which may change the list.
    const py::Ref item = py::Ref::borrow(PySequence_Fast_GET_ITEM(items, i));
    if (!is_bytes(item.get()) || !response_.send(py, bytes_of(item.get()))) return false;
    call_.look_for_abort();
  }
  return call_.gone() || response_.send_last(py, {});
}

bool WsgiServer::deliver_iterable(const py::Attached& py, PyObject* iterable) {
  bool is_single = false;
  if (!response_.has_length() && has_size(iterable)) {
    is_single = PyObject_Size(iterable) == 1;  // PEP 3333: then the length of its item is the body's
    PyErr_Clear();
  }
  const py::Ref iterator = py::Ref::steal(PyObject_GetIter(iterable));
  if (!iterator) return false;
  // What nobody can be sent is not asked for (PEP 3333): an answer without an end has one for a HEAD.
  for (;;) {
    call_.look_for_abort();
    if (call_.gone() || (response_.is_complete() && !is_single)) return true;
    const py::Ref item = py::Ref::steal(PyIter_Next(iterator.get()));
    if (!item) return PyErr_Occurred() == nullptr;
    if (!is_bytes(item.get())) return false;
    const std::string_view data = bytes_of(item.get());
    if (data.empty()) continue;
    if (is_single && response_.started()) response_.set_length(data.size());
    is_single = false;
    if (!response_.send(py, data)) return false;
  }
}

bool WsgiServer::deliver_file(const py::Attached& py, PyObject* wrapper, bool& done) {
  auto region = regular_file_of(py, wrapper);
  if (!region || !response_.started() || response_.head_sent()) return true;
  if (response_.has_length() && response_.length() > region->length) return true;  // the iteration will tell
  if (response_.has_length()) region->length = response_.length();
  response_.set_length(region->length);
  done = true;
  return response_.send_file(py, region->fd, region->offset, region->length);
}

bool WsgiServer::close(const py::Attached&, PyObject* result) {
  const py::Ref close = py::Ref::steal(PyObject_GetAttr(result, close_name_.get()));
  if (!close) {
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return false;
    PyErr_Clear();
    return true;
  }
  return static_cast<bool>(py::Ref::steal(PyObject_CallNoArgs(close.get())));
}

void WsgiServer::fail_call(const py::Attached& py, const lane::RequestHead& head) {
  if (call_.gone() && PyErr_ExceptionMatches(PyExc_ConnectionError) != 0) {
    PyErr_Clear();  // ours, or what the app made of it
    response_.fail(py, "the client has gone");
    return;
  }
  const py::ErrorText error = py::take_error(py);
  if (!call_.is_moved())
    log_error(py, fmt::format("{} {} failed", head.method, head.target),
              error.traceback.empty() ? error.line : error.traceback);
  response_.fail(py, error.traceback.empty() ? error.line : error.traceback);
}

void WsgiServer::log_error(const py::Attached& py, std::string_view what, std::string_view traceback) {
  log_text(
      py, natives_, 'e',
      traceback.empty() ? fmt::format("moult: {}\n", what) : fmt::format("moult: {}\n{}", what, traceback));
}

}  // namespace moult
