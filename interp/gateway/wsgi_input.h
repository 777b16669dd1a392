#pragma once

#include "interp/gateway/served_call.h"
#include "interp/py/ref.h"

#include <memory>
#include <string>
#include <string_view>

namespace moult {

// The body of the request that a worker serves, as wsgi.input reads it: what came with the request,
// then one piece per `want_body`. One per worker, used again for each call. With the GIL released
// it waits for the daemon; a second thread that reads meanwhile is told so.
class RequestBody {
 public:
  explicit RequestBody(ServedCall& call) : call_(call) {}

  // `inline_body` stays valid until the end of the call.
  void begin(std::string_view inline_body);

  // Null with an exception pending. `size` < 0: everything.
  PyObject* read(const py::Attached& py, Py_ssize_t size);
  PyObject* read_line(const py::Attached& py, Py_ssize_t size);

 private:
  class Reading;
  // Has another piece in rest_, or the body has ended; false with an exception pending.
  bool fill(const py::Attached& py);
  void take(std::size_t size);

  ServedCall& call_;
  std::string_view rest_;
  bool ended_ = true;
  bool busy_ = false;
  std::unique_ptr<char[]> buffer_;
};

// The type of wsgi.input objects of one interpreter, and the objects. An object that outlives its
// call is at its end.
py::Ref make_input_type(const py::Attached& py);
py::Ref make_input(const py::Attached& py, PyObject* type, RequestBody* body);
void end_input(const py::Attached& py, PyObject* input);

}  // namespace moult
