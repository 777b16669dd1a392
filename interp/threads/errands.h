#pragma once

#include "ipc/base/result.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace moult {

// A thread that runs `work`; why there is none: the account may be at its limit of tasks at any time.
Result<std::thread> start_thread(std::function<void()> work);

// What a host does besides, on threads of which each may wait long: interrupts a call, looks at a stack, sees
// to it that an interpreter ends. Where no thread can be made, one that exists from the start of the process
// runs it, one errand after the other: what the daemon has asked for is late then, not lost. One per
// process, made by main; run() by any thread, does not wait.
class Errands {
 public:
  using Work = std::function<void()>;

  // Starts the thread in reserve, which lives as long as the process.
  Result<> start();
  // False: nobody can run it now, and as many as may be are waiting.
  bool run(Work work);

 private:
  static constexpr std::size_t kMostWaiting = 256;
  void serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> waiting_;
};

}  // namespace moult
