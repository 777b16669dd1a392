#include "ipc/uv/background.h"

#include "ipc/uv/handle.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace moult::uv {

namespace {

struct Room {
  std::size_t threads;  // of the kind
  std::size_t each;     // for one of `whose`
};

// Threads sleep in system calls, so they are more than cores; only a disk that hangs needs them all.
constexpr std::array<Room, 4> kRooms{{{4, 1}, {16, 1}, {16, 4}, {8, 2}}};
constexpr std::size_t kThreadsMost = [] {
  std::size_t all = 0;
  for (const Room& room : kRooms) all += room.threads;
  return all;
}();
constexpr std::chrono::seconds kIdle{5};
constexpr std::size_t kMostOfOne = 1'024;  // jobs of a kind and owner that may be under way

const Room& room_of(Work work) { return kRooms[static_cast<std::size_t>(work)]; }

}  // namespace

struct Background::Job {
  Errand errand;
  std::function<void()> work;
  std::function<void()> on_done;
};

struct Background::Shared {
  std::mutex mutex;
  std::condition_variable more;
  std::array<std::deque<Job>, kRooms.size()> queues;
  std::array<std::size_t, kRooms.size()> running{};
  std::map<std::pair<Work, std::string>, std::size_t> running_of;
  std::vector<Job> done;
  std::size_t threads = 0;
  std::size_t idle = 0;
  uv_async_t* wake = nullptr;  // null: the loop has gone

  bool may_start(const Errand& errand) {
    const auto found = running_of.find({errand.work, errand.whose});
    return found == running_of.end() || found->second < room_of(errand.work).each;
  }

  std::size_t startable() {
    std::size_t count = 0;
    for (std::size_t kind = 0; kind < queues.size(); ++kind) {
      const auto free = static_cast<std::ptrdiff_t>(kRooms[kind].threads - running[kind]);
      const auto waiting =
          std::ranges::count_if(queues[kind], [this](const Job& job) { return may_start(job.errand); });
      count += static_cast<std::size_t>(std::min<std::ptrdiff_t>(free, waiting));
    }
    return count;
  }

  // The first job of each kind that has room, kind by kind. Under the mutex.
  std::optional<Job> take() {
    for (std::size_t kind = 0; kind < queues.size(); ++kind) {
      if (running[kind] >= kRooms[kind].threads) continue;
      const auto first = std::ranges::find_if(
          queues[kind], [this](const Job& waiting) { return may_start(waiting.errand); });
      if (first == queues[kind].end()) continue;
      Job job = std::move(*first);
      queues[kind].erase(first);
      ++running[kind];
      ++running_of[{job.errand.work, job.errand.whose}];
      return job;
    }
    return std::nullopt;
  }

  void give_back(Job job) {
    --running[static_cast<std::size_t>(job.errand.work)];
    const auto count = running_of.find({job.errand.work, job.errand.whose});
    if (--count->second == 0) running_of.erase(count);
    done.push_back(std::move(job));
    if (wake != nullptr) uv_async_send(wake);
  }

  // Does jobs until there were none for a while, or for once where the caller is the loop itself.
  enum class Stay { yes, no };
  void run(Stay stay) {
    std::unique_lock lock(mutex);
    bool is_over = false;
    for (;;) {
      std::optional<Job> job = take();
      if (job) {
        lock.unlock();
        job->work();
        job->work = nullptr;
        lock.lock();
        give_back(std::move(*job));
        is_over = false;
        continue;
      }
      if (stay == Stay::no) return;
      if (is_over || wake == nullptr) break;
      ++idle;
      is_over = more.wait_for(lock, kIdle) == std::cv_status::timeout;  // looks once more all the same
      --idle;
    }
    --threads;
  }
};

struct Background::Block : HandleBlock<uv_async_t, std::function<void()>> {};

Background::Background(uv_loop_s* loop) : shared_(std::make_shared<Shared>()), block_(new Block) {
  block_->state = [this] { take_done(); };
  uv_async_init(loop, block_, [](uv_async_t* async) { state_of<std::function<void()>>(async)(); });
  uv_unref(reinterpret_cast<uv_handle_t*>(static_cast<uv_async_t*>(block_)));
  shared_->wake = block_;
}

Background::~Background() {
  {
    const std::scoped_lock lock(shared_->mutex);
    shared_->wake = nullptr;
    shared_->more.notify_all();
  }
  CloseHandle<uv_async_t, std::function<void()>>()(block_);
}

bool Background::has_room(const Errand& errand) const {
  const auto found = under_way_of_.find({errand.work, errand.whose});
  return found == under_way_of_.end() || found->second < kMostOfOne;
}

void Background::add(Errand errand, std::function<void()> work, std::function<void()> on_done) {
  if (++under_way_ == 1) uv_ref(reinterpret_cast<uv_handle_t*>(static_cast<uv_async_t*>(block_)));
  ++under_way_of_[{errand.work, errand.whose}];
  std::unique_lock lock(shared_->mutex);
  shared_->queues[static_cast<std::size_t>(errand.work)].push_back(
      {std::move(errand), std::move(work), std::move(on_done)});
  // A thread that was told of an earlier job is idle until it runs.
  const std::size_t startable = shared_->startable();
  if (startable == 0) return;  // one that ends its job takes it
  if (shared_->idle >= startable) {
    shared_->more.notify_one();
    return;
  }
  if (shared_->threads >= kThreadsMost) return;
  ++shared_->threads;
  lock.unlock();
  try {
    std::thread([shared = shared_] { shared->run(Shared::Stay::yes); }).detach();
    return;
  } catch (const std::system_error&) {  // no more threads for this user
  }
  lock.lock();
  const bool none_at_all = --shared_->threads == 0;
  lock.unlock();
  if (none_at_all) shared_->run(Shared::Stay::no);
}

void Background::take_done() {
  std::vector<Job> done;
  {
    const std::scoped_lock lock(shared_->mutex);
    done = std::exchange(shared_->done, {});
  }
  under_way_ -= done.size();
  if (under_way_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(static_cast<uv_async_t*>(block_)));
  for (const Job& job : done) {
    const auto count = under_way_of_.find({job.errand.work, job.errand.whose});
    if (--count->second == 0) under_way_of_.erase(count);
  }
  for (Job& job : done) job.on_done();
}

}  // namespace moult::uv
