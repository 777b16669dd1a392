#include "interp/host/home.h"

#include <fmt/format.h>

#include <unistd.h>
#include <algorithm>

// The workers of a home: one at first, others when calls need them.

namespace moult {

namespace {

// So long nobody tries to start a thread again.
constexpr Milliseconds kNoThreads{1'000};

}  // namespace

// A scratch interpreter has none.
Result<> Home::make_workers(const py::Attached& py) {
  if (!make_.lanes.empty()) {
    MOULT_TRY(make_lanes(py));
    MOULT_TRY(start_worker());
  }
  const std::scoped_lock lock(mutex_);
  phase_ = Phase::serving;
  return {};
}

Result<> Home::make_lanes(const py::Attached& py) {
  WsgiTypes types = WsgiTypes::make(py);
  if (!types.complete()) return fail(Error{ErrorCode::failed, "out of memory"});
  const EnvironFacts facts{make_.app,
                           make_.generation,
                           make_.threads > 1,
                           make_.spec.multiprocess,
                           errors_stream_.get(),
                           types.file_wrapper.get()};
  MOULT_ASSIGN(LaneBoard board, LaneBoard::open(make_.board, make_.lanes.size()));
  make_.board.reset();
  batch_.emplace(std::move(make_.batch), std::move(board),
                 std::chrono::duration_cast<Steady::duration>(make_.spec.worker_idle),
                 [this] { ask_for_worker(); });
  shared_.emplace(WorkerShared{interpreter_, callable_.get(), interrupted_.get(), std::move(types), facts,
                               natives_, services_.turns, share_, *batch_, make_.mode != py::Mode::own,
                               [this] {
                                 const std::scoped_lock lock(mutex_);
                                 --running_workers_;
                                 changed_.notify_all();
                               }});
  for (Fd& lane : make_.lanes) {
    worker_lanes_.push_back(
        std::make_unique<WorkerLane>(std::move(lane), [this] { services_.turns.stir(); }));
    workers_.push_back(std::make_unique<Worker>(workers_.size(), *worker_lanes_.back(), *shared_));
  }
  make_.lanes.clear();
  return {};
}

// By the home thread, whose working folder its workers share.
Result<> Home::start_worker() {
  const auto free =
      std::find_if(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->has_left(); });
  if (free == workers_.end()) return {};
  {
    const std::scoped_lock lock(mutex_);
    ++running_workers_;
  }
  auto started = (*free)->start();
  if (!started) {
    const std::scoped_lock lock(mutex_);
    --running_workers_;
  }
  return started;
}

void Home::ask_for_worker() {
  const std::scoped_lock lock(mutex_);
  worker_asked_ = true;
  changed_.notify_all();
  if (wake_) static_cast<void>(!::write(wake_->write.get(), "", 1));
}

// When the account is at its limit, those that there are serve on.
void Home::bring_worker() {
  {
    const std::scoped_lock lock(mutex_);
    if (!std::exchange(worker_asked_, false) || retire_asked_) return;
  }
  const auto started = start_worker();
  if (started) return;
  batch_->cannot_come(Steady::now() + kNoThreads);
  natives_.events.tell(NoticeEvent{make_.interp, "warning",
                                   fmt::format("a call waits for a worker: {}", started.error().message)});
}

}  // namespace moult
