#include "interp/threads/turns.h"

#include "interp/threads/errands.h"

#include <algorithm>
#include <ctime>
#include <thread>
#include <utility>

namespace moult {

namespace {

constexpr Milliseconds kTick{1};
// Where turns must be seen to: twice the switch interval of CPython, so who waits has asked in vain by then.
constexpr int kTicksOfLook = PY_VERSION_HEX < 0x030D0000 ? 10 : 100;
// Of the time between two looks, computed by the process: less than that and nobody holds the GIL all the
// time.
constexpr Milliseconds kBusy{5};
// So long a tick had nothing to do: then the watcher only looks. And so long nobody wanted the GIL as well:
// then it sleeps.
constexpr int kQuiet = 10;
constexpr int kAsleep = 1000;

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

void Turns::sleep(int quiet, std::uint64_t stirred) {
  if (quiet < kQuiet) return std::this_thread::sleep_for(kTick);
  if (quiet >= kAsleep) return wait_until_wanted();
  std::unique_lock lock(mutex_);
  asleep_.fetch_add(1);
  changed_.wait_for(lock, kTick * kTicksOfLook, [&] { return stirred_.load() != stirred; });
  asleep_.fetch_sub(1);
}

void Turns::watch() {
  std::uint64_t begun = 0;
  Milliseconds used = cpu_time();
  SteadyTime looked = Steady::now();
  std::uint64_t stirred = 0;
  int quiet = 0;  // ticks
  for (;;) {
    sleep(quiet, stirred);
    stirred = stirred_.load();
    const bool running = running_.load() > 0;
    if (tick_()) {
      quiet = 0;
    } else if (running) {
      quiet = std::min(quiet + 1, kQuiet);
    } else {
      quiet += quiet < kQuiet ? 1 : kTicksOfLook;
    }
    const SteadyTime now = Steady::now();
    if (now - looked < kTick * kTicksOfLook) continue;
    looked = now;
    const std::uint64_t begun_now = begun_.load(std::memory_order_relaxed);
    const bool progress = std::exchange(begun, begun_now) != begun_now;
    const Milliseconds before = std::exchange(used, cpu_time());
    if (kNeeded && running && !progress && used - before >= kBusy) poke_();
    look_();
  }
}

}  // namespace moult
