#include "interp/gateway/wsgi/wsgi_response.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

namespace {

// A str as latin-1 bytes, which it is stored as unless it has characters beyond: then nothing.
std::optional<std::string_view> latin1_of(PyObject* text) {
  if (!PyUnicode_Check(text) || PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) return std::nullopt;
  return std::string_view(static_cast<const char*>(static_cast<const void*>(PyUnicode_1BYTE_DATA(text))),
                          static_cast<std::size_t>(PyUnicode_GET_LENGTH(text)));
}

// How much write() takes of a body that nobody gets, a HEAD's for example, before it raises.
constexpr std::uint64_t kDroppedMax = 1u << 20;

bool misuse(const char* what) {
  PyErr_SetString(PyExc_AssertionError, what);
  return false;
}

// Raises exc_info[1], as PEP 3333 asks when the head is out already.
bool raise_again(PyObject* exc_info) {
  PyObject* const value = PyTuple_GET_ITEM(exc_info, 1);
  if (!PyExceptionInstance_Check(value)) return misuse("exc_info has no exception");
  PyErr_SetObject(PyExceptionInstance_Class(value), value);
  return false;
}

}  // namespace

void Response::begin() {
  head_text_.clear();
  reason_.clear();
  length_ = produced_ = dropped_ = 0;
  status_ = 0;
  flags_ = 0;
  started_ = has_length_ = head_sent_ = ended_ = was_cut_ = false;
}

bool Response::start(const py::Attached&, PyObject* status, PyObject* headers, PyObject* exc_info) {
  const bool has_error = exc_info != nullptr && !Py_IsNone(exc_info);
  if (has_error && (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3)) {
    return misuse("exc_info must be a tuple of three, as sys.exc_info() returns it");
  }
  if (has_error && head_sent_) return raise_again(exc_info);
  if (started_ && !has_error) return misuse("start_response() was called a second time without exc_info");
  const auto text = latin1_of(status);
  if (!text) {
    PyErr_Format(PyExc_TypeError, "status must be a str of latin-1 characters, not %R", status);
    return false;
  }
  const auto parsed = parse_status(*text);
  if (!parsed) {
    PyErr_Format(PyExc_ValueError,
                 "status must be three digits from 200 on and a reason, like '200 OK', not %R", status);
    return false;
  }
  status_ = parsed->code;
  reason_.assign(parsed->reason);
  head_text_.clear();
  flags_ = 0;
  has_length_ = false;
  started_ = false;
  if (!add_headers(headers)) return false;
  if (head_text_.size() + reason_.size() > lane::kAnswerHeadMax) {
    PyErr_Format(PyExc_ValueError, "the response's headers are too large: %zu bytes, %zu are possible",
                 head_text_.size() + reason_.size(), lane::kAnswerHeadMax);
    return false;
  }
  return started_ = true;
}

bool Response::add_headers(PyObject* headers) {
  if (!PyList_Check(headers)) {
    PyErr_Format(PyExc_TypeError, "headers must be a list of (name, value) tuples, not %.80s",
                 Py_TYPE(headers)->tp_name);
    return false;
  }
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); ++i) {
    PyObject* const pair = PyList_GET_ITEM(headers, i);
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
      PyErr_Format(PyExc_TypeError, "each header must be a (name, value) tuple, not %R", pair);
      return false;
    }
    if (!add_header(PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1))) return false;
  }
  return true;
}

bool Response::add_header(PyObject* name_object, PyObject* value_object) {
  const auto name = latin1_of(name_object);
  const auto value = latin1_of(value_object);
  if (!name || !value) {
    PyErr_Format(PyExc_TypeError, "header names and values must be str of latin-1 characters: (%R, %R)",
                 name_object, value_object);
    return false;
  }
  if (!is_token(*name)) {
    PyErr_Format(PyExc_ValueError, "header name %R has characters that no name may have", name_object);
    return false;
  }
  if (!is_field_value(*value)) {
    PyErr_Format(PyExc_ValueError, "header %R has control characters in its value %R", name_object,
                 value_object);
    return false;
  }
  if (is_hop_by_hop(*name)) {
    PyErr_Format(PyExc_AssertionError, "header %R is the server's to set", name_object);
    return false;
  }
  if (equal_ignoring_case(*name, "content-length")) {
    const auto length = parse_length(*value);
    if (!length || (has_length_ && *length != length_)) {
      PyErr_Format(PyExc_ValueError, "bad or contradictory Content-Length %R", value_object);
      return false;
    }
    if (has_length_) return true;
    has_length_ = true;
    length_ = *length;
    flags_ |= lane::kHasLength;
  } else if (equal_ignoring_case(*name, "date")) {
    flags_ |= lane::kHasDate;
  } else if (equal_ignoring_case(*name, "server")) {
    flags_ |= lane::kHasServer;
  }
  head_text_.append(*name).append(": ").append(*value).append("\r\n");
  return true;
}

void Response::set_length(std::uint64_t length) {
  if (has_length_ || head_sent_ || forbids_body(status_)) return;
  has_length_ = true;
  length_ = length;
  flags_ |= lane::kHasLength;
  fmt::format_to(std::back_inserter(head_text_), "Content-Length: {}\r\n", length);
}

bool Response::check_started() const {
  return started_ || misuse("the app did not call start_response() before its first block of data");
}

std::string_view Response::limited(std::string_view data) {
  if (!wants_body()) {
    produced_ += data.size();
    dropped_ += data.size();
    return {};
  }
  if (has_length_ && data.size() > length_ - produced_) {
    was_cut_ = true;
    dropped_ += data.size() - static_cast<std::size_t>(length_ - produced_);
    data = data.substr(0, static_cast<std::size_t>(length_ - produced_));
  }
  produced_ += data.size();
  return data;
}

bool Response::send_pieces(const py::Attached& py, std::string_view data, std::uint8_t flags) {
  if (!check_started()) return false;
  data = limited(data);
  while (data.size() > lane::kChunkMax) {
    if (!send_packet(py, data.substr(0, lane::kChunkMax), 0)) return false;
    if (call_.gone()) return true;
    data.remove_prefix(lane::kChunkMax);
  }
  if (data.empty() && head_sent_ && flags == 0) return true;
  return send_packet(py, data, flags);
}

bool Response::write(const py::Attached& py, std::string_view data) {
  if (!send(py, data)) return false;
  call_.look_for_abort();
  if (call_.gone()) {
    PyErr_SetString(PyExc_ConnectionError, "the client has gone");
    return false;
  }
  if (dropped_ <= kDroppedMax) return true;
  PyErr_Format(PyExc_AssertionError, "write() was given %llu bytes more than the response can have",
               static_cast<unsigned long long>(dropped_));
  return false;
}

bool Response::send_last(const py::Attached& py, std::string_view data) {
  if (!check_started()) return false;
  if (has_length_ && wants_body() && produced_ + data.size() < length_) {
    // What there is goes out; the connection is cut after it, so that nobody takes it for whole.
    if (!data.empty() && !send(py, data)) return false;
    PyErr_Format(PyExc_AssertionError, "the app yielded %llu bytes, fewer than its Content-Length of %llu",
                 static_cast<unsigned long long>(produced_), static_cast<unsigned long long>(length_));
    return false;
  }
  return send_pieces(py, data, lane::kEnd);
}

bool Response::send_packet(const py::Attached& py, std::string_view data, std::uint8_t flags) {
  if (head_sent_) {
    char prefix[16];
    const std::size_t size = lane::encode_chunk_prefix(prefix, lane::FrameType::chunk, call_.number(), flags);
    call_.send(py, {prefix, size}, data);
  } else if (call_.is_moved()) {
    // The app has caught what was to end the call.
    PyErr_SetString(PyExc_RuntimeError, "this call is served by a process of the app's own");
    return false;
  } else {
    lane::Head head;
    head.call = call_.number();
    head.flags = static_cast<std::uint8_t>(flags_ | flags);
    head.length = length_;
    head.status = status_;
    head.reason = reason_;
    head.header_text = head_text_;
    if (packet_.size() < head_text_.size() + reason_.size() + 64)
      packet_.resize(head_text_.size() + reason_.size() + 256);
    // What does not fit behind the head follows it.
    const bool fits = head_text_.size() + reason_.size() + 128 + data.size() <= lane::kPacketMax;
    if (!fits) head.flags = flags_;
    const std::size_t size = lane::encode_head(packet_, head);
    head_sent_ = true;
    call_.begin_answer();
    call_.send(py, {packet_.data(), size}, fits ? data : std::string_view());
    if (!fits && !call_.gone()) return send_packet(py, data, flags);
  }
  if ((flags & lane::kEnd) != 0) ended_ = true;
  return true;
}

bool Response::send_file(const py::Attached& py, int file, std::uint64_t offset, std::uint64_t length) {
  if (!check_started()) return false;
  if (!head_sent_ && !send_packet(py, {}, wants_body() ? 0 : lane::kEnd)) return false;
  if (ended_ || call_.gone()) return true;
  char prefix[64];
  const std::size_t size = lane::encode_file(prefix, {call_.number(), lane::kEnd, offset, length});
  call_.send(py, {prefix, size}, {}, file);
  produced_ += length;
  ended_ = true;
  return true;
}

void Response::fail(const py::Attached& py, std::string_view traceback) {
  if (ended_) return;
  call_.fail(py, traceback);
  ended_ = true;
}

}  // namespace moult
