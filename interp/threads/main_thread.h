#pragma once

#include "interp/py/attach.h"
#include "ipc/base/clock.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>

namespace moult {

// The process' first thread and the main interpreter, which runs no app code (but in process
// isolation, where the app is its last job). One per process, made by main. Other threads post
// jobs; between two jobs the thread waits with nothing attached.
class MainThread {
 public:
  using Job = std::function<void(const py::Attached&)>;

  void post(Job job);
  // A job that does not end: the app of a process of its own.
  void post_last(Job job);
  // Posts a call of `function` of the boot module `preimport` with `arguments` and waits for its
  // end: "" or what went wrong. The caller has no interpreter attached. After the last job nothing is
  // pre-imported: interpreters that the app makes for itself then do without.
  std::string preimport(const std::string& function, const std::string& path, const std::string& name,
                        Seconds timeout);

  // Called by main, with the main interpreter's state attached. Does not return.
  [[noreturn]] void serve(PyThreadState* state);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool has_last_ = false;
};

}  // namespace moult
