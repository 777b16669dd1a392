#pragma once

#include "interp/boot/natives.h"
#include "interp/calls/call_fault.h"
#include "interp/gateway/served_call.h"
#include "interp/gateway/wsgi_input.h"
#include "interp/payload/payload.h"

namespace moult {

// Serves calls of exported functions that come by a worker's lane, one at a time: from other hosts,
// from the control socket, with a timeout, streams, and the daemon's own (`moult.*`). One per
// worker, on its thread. Whatever the function does, serve() ends the call on the lane and leaves
// no exception pending.
class CallServer {
 public:
  CallServer(const WorkerLanes& lanes, Natives& natives)
      : natives_(natives), call_(lanes, natives.book.here().scope), body_(call_) {}

  void serve(const py::Attached& py, const lane::Request& request);

 private:
  struct Arguments {
    py::Ref args;
    py::Ref kwargs;
  };
  std::optional<CallFault> run(const py::Attached& py, const lane::Request& request);
  std::optional<CallFault> read_arguments(const py::Attached& py, const lane::Request& request,
                                          Arguments& arguments);
  std::optional<CallFault> answer(const py::Attached& py, PyObject* value);
  void stream(const py::Attached& py, PyObject* items);
  std::optional<CallFault> encode(const py::Attached& py, PyObject* value, std::string& bytes);
  void send_fault(const py::Attached& py, const CallFault& fault);
  void send_answer(const py::Attached& py, std::string_view reason, std::string_view bytes);
  void send_head(const py::Attached& py, std::string_view reason, std::string_view data, std::uint8_t flags);
  bool send_chunks(const py::Attached& py, std::string_view bytes, std::uint8_t last_flags);
  void send_chunk(const py::Attached& py, std::string_view data, std::uint8_t flags);

  Natives& natives_;
  ServedCall call_;
  RequestBody body_;
  Payload payload_;
  std::string flat_;
  bool as_json_ = false;
  bool head_sent_ = false;
};

}  // namespace moult
