#pragma once

#include "interp/gateway/calls/call_server.h"
#include "interp/gateway/wsgi/wsgi_server.h"
#include "interp/threads/turns.h"

#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace moult {

// What the workers of an interpreter share. Owned by the home; the objects in it are released by
// the home after the last worker has left.
struct WorkerShared {
  PyInterpreterState* interpreter = nullptr;
  PyObject* callable = nullptr;     // borrowed
  PyObject* interrupted = nullptr;  // borrowed: the exception of an interrupt
  WsgiTypes types;
  EnvironFacts facts;
  Natives& natives;
  Turns& turns;
  std::function<void()> on_left;  // called by a worker as its last act
};

// One thread that serves the calls of one lane with a thread state of its own, until the daemon
// closes the lane. Made by the home, on the home's thread, so that it shares the home's working
// folder; joined by it, or detached for ever when the app holds it.
class Worker {
 public:
  Worker(std::size_t index, Fd lane, WorkerShared& shared);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Result<> start();
  void leave();  // as if the daemon had closed the lane
  // Raises `interrupted` in this worker if it still serves `call`, or when it begins to. By a
  // visitor who is attached to the same interpreter. Its thread when it serves the call now, which
  // may just run in another interpreter.
  std::shared_ptr<ThreadCalls> interrupt(const py::Attached& py, std::uint64_t call);
  // Sends back a call that came and has not begun, since the GIL cannot be had. From a thread without it.
  void give_back();
  std::uint64_t
  waiting();               // the call with which it waits for the GIL, also when that was given back; 0: none
  unsigned long thread();  // its identifier; 0: it has not begun

  bool has_left() const { return left_; }
  void join() { thread_.join(); }
  void detach() { thread_.detach(); }
  std::string name() const;

 private:
  void run();
  void serve_lane(PyThreadState* state, WsgiServer& server);
  void serve(const py::Attached& py, const lane::Request& request, WsgiServer& server);
  bool begin_call(const py::Attached& py, std::uint64_t call);
  void end_call(const py::Attached& py);
  std::optional<std::uint64_t> take_waiting();

  std::size_t index_;
  Fd lane_;
  WorkerShared& shared_;
  std::thread thread_;
  std::atomic<bool> left_ = false;

  std::mutex mutex_;                   // taken with the GIL held, nothing waits inside
  std::optional<std::uint64_t> came_;  // waits for the GIL
  std::uint64_t waiting_ = 0;          // it, or it was given back
  std::optional<std::uint64_t> serving_;
  std::optional<std::uint64_t> unwanted_;  // to be interrupted, and not begun when that was said
  unsigned long thread_id_ = 0;
  std::shared_ptr<ThreadCalls> calls_;
  std::optional<CallServer> call_server_;
  bool interrupted_ = false;
};

}  // namespace moult
