#include "interp/threads/turns.h"

#include "interp/threads/errands.h"

#include <ctime>
#include <thread>
#include <utility>

namespace moult {

namespace {

// Where turns must be seen to: twice the switch interval of CPython, so who waits has asked in vain by then.
constexpr Milliseconds kTick{PY_VERSION_HEX < 0x030D0000 ? 10 : 100};
// Of a tick, computed by the process: less than that and nobody holds the GIL all the time.
constexpr Milliseconds kBusy{5};
constexpr int kTicksBeforeSleep = 1000 / kTick.count();

Milliseconds cpu_time() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::chrono::duration_cast<Milliseconds>(std::chrono::seconds(time.tv_sec) +
                                                  std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace

Result<> Turns::start() {
  MOULT_ASSIGN(std::thread watcher, start_thread([this] { watch(); }));
  watcher.detach();
  return {};
}

void Turns::wake() {
  const std::scoped_lock lock(mutex_);
  changed_.notify_all();
}

void Turns::wait_until_wanted() {
  std::unique_lock lock(mutex_);
  asleep_.fetch_add(1);
  changed_.wait(lock, [this] { return running_.load() > 0; });
  asleep_.fetch_sub(1);
}

void Turns::watch() {
  std::uint64_t begun = 0;
  Milliseconds used = cpu_time();
  int quiet = 0;
  for (;;) {
    if (quiet >= kTicksBeforeSleep) wait_until_wanted();
    std::this_thread::sleep_for(kTick);
    const bool running = running_.load() > 0;
    const std::uint64_t begun_now = begun_.load(std::memory_order_relaxed);
    const bool progress = std::exchange(begun, begun_now) != begun_now;
    const Milliseconds before = std::exchange(used, cpu_time());
    quiet = running ? 0 : quiet + 1;
    if (kNeeded && running && !progress && used - before >= kBusy) poke_();
    look_();
  }
}

}  // namespace moult
