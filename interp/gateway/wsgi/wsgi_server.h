#pragma once

#include "interp/boot/natives.h"
#include "interp/gateway/wsgi/wsgi_environ.h"
#include "interp/gateway/wsgi/wsgi_response.h"
#include "interp/gateway/wsgi_input.h"

namespace moult {

// The types that WSGI needs, made once per interpreter by its home and released by it, both while
// it is attached.
struct WsgiTypes {
  py::Ref input;
  py::Ref file_wrapper;
  ResponderTypes responder;

  static WsgiTypes make(const py::Attached& py);
  bool complete() const { return input && file_wrapper && responder.start_response && responder.write; }
};

// Serves WSGI calls to one callable, one at a time: environ, call, iteration, close(), errors. One
// per worker, on its thread, made and destroyed while the worker is attached. Whatever the app
// does, serve() ends the call on the lane and leaves no exception pending.
class WsgiServer {
 public:
  // Borrows all of it from the home.
  WsgiServer(const py::Attached& py, const WorkerLanes& lanes, PyObject* callable, const WsgiTypes& types,
             const EnvironFacts& facts, Natives& natives);
  ~WsgiServer();

  void serve(const py::Attached& py, const lane::Request& request);

 private:
  bool call_app(const py::Attached& py, PyObject* environ, PyObject* start_response);
  bool deliver(const py::Attached& py, PyObject* result);
  bool deliver_bytes(const py::Attached& py, PyObject* bytes);
  bool deliver_items(const py::Attached& py, PyObject* items);
  bool deliver_iterable(const py::Attached& py, PyObject* iterable);
  bool deliver_file(const py::Attached& py, PyObject* wrapper, bool& done);
  bool finish(const py::Attached& py, PyObject* result);
  bool close(const py::Attached& py, PyObject* result);
  void fail_call(const py::Attached& py, const lane::RequestHead& head);
  void log_error(const py::Attached& py, std::string_view what, std::string_view traceback);

  PyObject* callable_;
  const WsgiTypes& types_;
  Natives& natives_;
  ServedCall call_;
  RequestBody body_;
  Response response_;
  EnvironBuilder environs_;
  py::Ref empty_input_;
  py::Ref close_name_;
  std::string joined_;
};

}  // namespace moult
