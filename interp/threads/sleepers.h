#pragma once

#include "interp/py/attach.h"
#include "interp/py/python.h"
#include "ipc/base/clock.h"

#include <condition_variable>
#include <mutex>
#include <vector>

namespace moult {

// time.sleep of one sub-interpreter, which can be cut short when its thread is to see an exception: Python's
// own sleeps on until its time is over, and a daemon thread that sleeps for an hour would keep its
// interpreter from ending. Owned by the interpreter's natives; any thread.
class Sleepers {
 public:
  // Takes the place of time.sleep in the attached interpreter. False with an exception pending.
  bool install(const py::Attached& py);

  // Lets go a thread that sleeps now, by PyThread_get_thread_ident; 0: all.
  void wake(unsigned long thread);

  void sleep(const py::Attached& py, Seconds seconds);

 private:
  struct Sleeper {
    unsigned long thread = 0;
    bool is_woken = false;
  };

  std::mutex mutex_;  // nobody waits for a GIL while holding it
  std::condition_variable changed_;
  std::vector<Sleeper*> sleeping_;
};

}  // namespace moult
