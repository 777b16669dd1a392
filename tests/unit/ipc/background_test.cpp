#include "ipc/uv/loop.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

using namespace moult;

namespace {

// Jobs that wait here hang as those do that read from a dead file server.
class DeadDisk {
 public:
  void read() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return is_back_; });
  }
  void come_back() {
    const std::scoped_lock lock(mutex_);
    is_back_ = true;
    changed_.notify_all();
  }
  void wait_for(int readers) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= readers; });
  }
  int waiting() {
    const std::scoped_lock lock(mutex_);
    return waiting_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool is_back_ = false;
};

}  // namespace

TEST_CASE("a job's value comes back on the loop, and the loop ends when nothing is left") {
  uv::Loop loop;
  int got = 0;
  uv::compute_in_background<int>(
      loop, {}, [] { return 7; }, [&](int value) { got = value; });
  loop.run();
  CHECK(got == 7);
}

TEST_CASE("hundreds of jobs are all done, once") {
  uv::Loop loop;
  std::atomic<int> worked = 0;
  int done = 0;
  for (int i = 0; i < 500; ++i) {
    uv::run_in_background(
        loop, {static_cast<uv::Work>(i % 4), std::to_string(i % 7)}, [&] { ++worked; }, [&] { ++done; });
  }
  loop.run();
  CHECK(worked == 500);
  CHECK(done == 500);
}

TEST_CASE("trees and files on a dead disk hold up no save of state, and no other app's tree") {
  uv::Loop loop;
  DeadDisk disk;
  int done = 0;
  for (int i = 0; i < 10; ++i) {
    uv::run_in_background(
        loop, {uv::Work::sources, "app " + std::to_string(i)}, [&] { disk.read(); }, [&] { ++done; });
  }
  for (int i = 0; i < 100; ++i)
    uv::run_in_background(
        loop, {uv::Work::files, "app 1"}, [&] { disk.read(); }, [&] { ++done; });
  disk.wait_for(14);  // four of its files
  std::vector<std::string> order;
  const auto finish = [&](const std::string& what) {
    order.push_back(what);
    if (order.size() < 4) return;
    CHECK(done == 0);
    disk.come_back();
  };
  for (const auto& [work, whose] :
       std::vector<std::pair<uv::Work, std::string>>{{uv::Work::state, "app 1"},
                                                     {uv::Work::sources, "blog"},
                                                     {uv::Work::files, "blog"},
                                                     {uv::Work::other, "app 1"}}) {
    uv::run_in_background(
        loop, {work, whose}, [] {}, [&, name = whose] { finish(name); });
  }
  loop.run();
  CHECK(order.size() == 4);
  CHECK(done == 110);
}

TEST_CASE("of one app's trees one job runs at a time, in the order in which they were asked for") {
  uv::Loop loop;
  std::atomic<int> running = 0;
  std::atomic<bool> met = false;
  std::vector<int> order;
  for (int i = 0; i < 50; ++i) {
    uv::run_in_background(
        loop, {uv::Work::sources, "blog"},
        [&] {
          if (++running > 1) met = true;
          --running;
        },
        [&order, i] { order.push_back(i); });
  }
  loop.run();
  CHECK_FALSE(met);
  REQUIRE(order.size() == 50);
  CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("a job that is done may ask for the next, also when the loop ends") {
  int done = 0;
  {
    uv::Loop loop;
    uv::run_in_background(
        loop, {}, [] {},
        [&] {
          ++done;
          uv::run_in_background(
              loop, {}, [] {}, [&] { ++done; });
        });
  }
  CHECK(done == 2);
}

TEST_CASE("jobs of one owner that wait for a dead disk are bounded, and those of others are not refused") {
  uv::Loop loop;
  DeadDisk disk;
  const uv::Errand hanging{uv::Work::files, "dead"};
  int jobs = 0;
  int done = 0;
  while (loop.background().has_room(hanging)) {
    ++jobs;
    REQUIRE(jobs < 10'000);
    uv::run_in_background(
        loop, hanging, [&] { disk.read(); }, [&] { ++done; });
  }
  CHECK(loop.background().has_room({uv::Work::files, "alive"}));
  CHECK(loop.background().has_room({uv::Work::state, "dead"}));
  disk.come_back();
  loop.run();
  CHECK(done == jobs);
  CHECK(loop.background().has_room(hanging));
}
