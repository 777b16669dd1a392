#pragma once

#include "interp/gateway/served_call.h"
#include "interp/gateway/wsgi/header_rules.h"
#include "interp/py/ref.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace moult {

// The response of the call that a worker serves: what start_response said, and how much of the
// body has been sent. One per worker, begun again for each call; its buffers are kept. Functions
// that return false leave an exception pending.
class Response {
 public:
  explicit Response(ServedCall& call) : call_(call) {}

  void begin();

  // start_response(status, headers, exc_info).
  bool start(const py::Attached& py, PyObject* status, PyObject* headers, PyObject* exc_info);
  bool started() const { return started_; }
  bool head_sent() const { return head_sent_; }
  bool ended() const { return ended_; }
  bool has_length() const { return has_length_; }
  // Nothing of a body can be sent any more, whatever the app gives.
  bool is_complete() const { return started_ && (!wants_body() || (has_length_ && produced_ >= length_)); }
  bool wants_body() const { return !call_.is_head() && !forbids_body(status_); }
  // The whole length of the body is known and the app did not say it.
  void set_length(std::uint64_t length);
  std::uint64_t length() const { return length_; }

  // A piece of the body: sent before this returns, with the head if that is still due.
  bool send(const py::Attached& py, std::string_view data) { return send_pieces(py, data, 0); }
  // The same for the app's write(), which is told when nobody takes what it writes: there is no
  // iteration that could be stopped.
  bool write(const py::Attached& py, std::string_view data);
  // The last piece. Fewer bytes than Content-Length said is an error.
  bool send_last(const py::Attached& py, std::string_view data);
  // A region of a file as the whole body.
  bool send_file(const py::Attached& py, int file, std::uint64_t offset, std::uint64_t length);
  // Ends the call without a whole response.
  void fail(const py::Attached& py, std::string_view traceback);

  // The app yielded more than its Content-Length.
  bool was_cut() const { return was_cut_; }

 private:
  bool check_started() const;
  bool add_headers(PyObject* headers);
  bool add_header(PyObject* name, PyObject* value);
  bool send_pieces(const py::Attached& py, std::string_view data, std::uint8_t flags);
  bool send_packet(const py::Attached& py, std::string_view data, std::uint8_t flags);
  std::string_view limited(std::string_view data);

  ServedCall& call_;
  std::string head_text_;
  std::string packet_;
  std::string reason_;
  std::uint64_t length_ = 0;
  std::uint64_t produced_ = 0;
  std::uint64_t dropped_ = 0;  // that the response cannot have
  std::uint16_t status_ = 0;
  std::uint8_t flags_ = 0;
  bool started_ = false;
  bool has_length_ = false;
  bool head_sent_ = false;
  bool ended_ = false;
  bool was_cut_ = false;
};

// The types of start_response and of the write() that it returns, per interpreter, and their
// objects. One that outlives its call raises when it is called.
struct ResponderTypes {
  py::Ref start_response;
  py::Ref write;
};
ResponderTypes make_responder_types(const py::Attached& py);
py::Ref make_start_response(const py::Attached& py, const ResponderTypes& types, Response* response);
void end_start_response(const py::Attached& py, PyObject* start_response);

}  // namespace moult
