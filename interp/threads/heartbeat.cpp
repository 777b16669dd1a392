#include "interp/threads/heartbeat.h"

#include "interp/py/attach.h"
#include "interp/threads/errands.h"

#include <thread>

namespace moult {

namespace {

constexpr Milliseconds kBeat{250};
// Where no app is to blame: an interpreter that ends, or a library that the main one loads, takes its time.
constexpr Milliseconds kStalledUnknown{8'000};

Steady::rep ticks_now() { return Steady::now().time_since_epoch().count(); }

}  // namespace

Result<> Heartbeat::start() {
  MOULT_ASSIGN(std::thread beating, start_thread([this] { beat(); }));
  beating.detach();
  return {};
}

// A new state each time: one that stays would be seen by an app in the main interpreter. On 3.11 and 3.12
// the wait is one that turns are seen to for.
void Heartbeat::beat() {
  for (;;) {
    turns_.wait_until_wanted();
    std::this_thread::sleep_for(kBeat);
    turns_.turn_begins();
    asked_ = ticks_now();
    { const py::VisitScope visit(PyInterpreterState_Main()); }
    asked_ = 0;
    turns_.turn_ends();
  }
}

void Heartbeat::look() {
  const Steady::rep asked = asked_.load();
  const auto ago = [](Steady::rep ticks) { return Steady::duration(ticks_now() - ticks); };
  if (told_ != 0 && asked != told_) {
    owner_.tell_revived(ago(told_));
    told_ = 0;
  }
  if (asked == 0 || told_ != 0 || ago(asked) < kStalled) return;
  StalledEvent holder = owner_.find_holder();
  if (holder.interp == 0 && ago(asked) < kStalledUnknown) return;
  if (asked_.load() != asked) return;  // it moved meanwhile, so that was somebody else
  told_ = asked;
  holder.seconds = ago(asked);
  owner_.tell_stalled(holder);
}

}  // namespace moult
