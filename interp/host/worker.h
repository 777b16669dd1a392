#pragma once

#include "interp/channel/batch_lane.h"
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
  Turns::Share& share;
  BatchLane& batch;
  bool shares_gil = false;        // with other interpreters
  std::function<void()> on_left;  // called by a worker as its last act
};

// One thread that serves calls of an interpreter's batch lane with a thread state of its own, until the
// daemon closes that or it was not needed for a while; then it may be started again. What is no whole answer
// goes by a lane of its own. Started by the home, on the home's thread, so that it shares the home's working
// folder; joined by it, or detached for ever when the app holds it.
class Worker {
 public:
  Worker(std::size_t index, WorkerLane& lane, WorkerShared& shared);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // May fail for want of threads (RLIMIT_NPROC, the cgroup's pids.max): it can be tried again.
  Result<> start();
  // Raises `interrupted` in this worker if it serves `call`. By a visitor who is attached to the same
  // interpreter. Its thread when it serves the call now, which may just run in another interpreter.
  std::shared_ptr<ThreadCalls> interrupt(const py::Attached& py, std::uint64_t call);
  // The call with which it waits for the GIL, also when that was given back; 0: none.
  std::uint64_t waiting() const { return waiting_; }
  unsigned long thread();  // its identifier; 0: there is none

  bool has_left() const { return left_; }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  void detach() { thread_.detach(); }
  std::string name() const;

 private:
  void run();
  void serve_lane(PyThreadState* state, WsgiServer& server);
  void serve_queue(const py::Attached& py, WsgiServer& server);
  void serve(const py::Attached& py, const lane::Request& request, WsgiServer& server);
  void begin_call(const py::Attached& py, std::uint64_t call);
  void end_call(const py::Attached& py);
  void let_others(const py::Attached& py);

  std::size_t index_;
  WorkerLane& lane_;
  WorkerShared& shared_;
  std::thread thread_;
  std::atomic<bool> left_ = true;
  std::atomic<std::uint64_t> waiting_ = 0;
  BatchLane::Buffer buffer_;

  std::mutex mutex_;  // taken with the GIL held, nothing waits inside
  std::optional<std::uint64_t> serving_;
  unsigned long thread_id_ = 0;
  std::shared_ptr<ThreadCalls> calls_;
  std::optional<CallServer> call_server_;
  bool interrupted_ = false;
  unsigned holds_ = 0;
};

}  // namespace moult
