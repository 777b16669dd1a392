#include "interp/threads/errands.h"

#include <system_error>
#include <utility>

namespace moult {

Result<std::thread> start_thread(std::function<void()> work) {
  try {
    return std::thread(std::move(work));
  } catch (const std::system_error& error) {
    return fail(no_task_error("cannot start a thread", error.code().value()));
  }
}

Result<> Errands::start() {
  MOULT_ASSIGN(std::thread reserve, start_thread([this] { serve(); }));
  reserve.detach();
  return {};
}

bool Errands::run(Work work) {
  if (auto own = start_thread(work)) {
    own->detach();
    return true;
  }
  const std::scoped_lock lock(mutex_);
  if (waiting_.size() >= kMostWaiting) return false;
  waiting_.push_back(std::move(work));
  changed_.notify_one();
  return true;
}

void Errands::serve() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !waiting_.empty(); });
    const Work work = std::exchange(waiting_.front(), {});
    waiting_.pop_front();
    lock.unlock();
    work();
  }
}

}  // namespace moult
