#include "daemon/watch/vcs_locks.h"

#include "watcher_bench.h"

#include <unistd.h>

using namespace moult;

namespace {

const std::string kLock = "/app/.git/index.lock";

// Holds scans of TEMP/app at the point where they read .gitignore, which is after the lock's watch was
// set: it leads to a pipe in a folder that is not watched.
class Gate {
 public:
  explicit Gate(Bench& bench) : bench_(bench), pipe_(bench.temp.folder("gate") + "/pipe") {
    REQUIRE(::mkfifo(pipe_.c_str(), 0600) == 0);
    bench.temp.link("../gate/pipe", "app/.gitignore");
  }
  // Once a scan has come; the loop goes on meanwhile.
  bool is_reached() {
    return bench_.run_until([this] {
      if (!writer_) writer_ = Fd(::open(pipe_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
      return static_cast<bool>(writer_);
    });
  }
  // What the kernel has told by now is heard while the scan waits.
  void let_hear() {
    int turns = 0;
    REQUIRE(bench_.run_until([&turns] { return ++turns > 3; }));
  }
  // For this scan and all later ones.
  void open() {
    bench_.temp.replace("gate/pipe", "");
    writer_.reset();
  }

 private:
  Bench& bench_;
  std::string pipe_;
  Fd writer_;
};

}  // namespace

TEST_CASE("a lock that went after a scan had seen it is free") {
  VcsLocks locks;
  locks.on_event(kLock, LockState::held);
  locks.on_scan_begins();
  CHECK(locks.on_event(kLock, LockState::free));
  CHECK(locks.on_scanned({{kLock, LockState::held}}).empty());
  CHECK(locks.held().empty());
}

TEST_CASE("a lock that was taken after a scan had looked in vain is held") {
  VcsLocks locks;
  locks.on_scan_begins();
  CHECK(locks.on_event(kLock, LockState::held));
  CHECK(locks.on_scanned({{kLock, LockState::free}}).empty());
  CHECK(locks.held().contains(kLock));
}

TEST_CASE("what a scan sees of a lock counts where no event told of it since it began") {
  VcsLocks locks;
  locks.on_event(kLock, LockState::held);
  locks.on_scan_begins();
  CHECK(locks.on_scanned({{kLock, LockState::free}}) == VcsLocks::Seen{{kLock, LockState::free}});
  CHECK(locks.on_scanned({{kLock, LockState::held}}) == VcsLocks::Seen{{kLock, LockState::held}});
  CHECK(locks.on_scanned({{kLock, LockState::held}}).empty());
}

TEST_CASE("a lock of a working copy that is not the tree's any more is free") {
  VcsLocks locks;
  locks.on_scan_begins();
  locks.on_event(kLock, LockState::held);
  CHECK(locks.on_scanned({{"/new/.git/index.lock", LockState::free}}) ==
        VcsLocks::Seen{{kLock, LockState::free}});
}

TEST_CASE("a lock that is removed while everything is looked at again is not waited for") {
  Bench bench;
  bench.temp.write("app/.git/index.lock", "");
  bench.start();
  REQUIRE(bench.sees("app/.git/index.lock", ChangeKind::vcs_lock_taken));
  Gate gate(bench);
  REQUIRE(gate.is_reached());
  bench.temp.remove("app/.git/index.lock");
  CHECK(bench.sees("app/.git/index.lock", ChangeKind::vcs_lock_released));
  bench.changes.clear();
  gate.open();
  CHECK(bench.run_until([&] { return bench.watcher->status().scanning == Seconds{}; }));
  CHECK(bench.watcher->held_locks().empty());
  CHECK_FALSE(bench.has(bench.temp.path("app/.git/index.lock"), ChangeKind::vcs_lock_taken));
}

TEST_CASE("a lock that is removed or taken during the first scan is known for what it is") {
  for (const bool taken_first : {true, false}) {
    CAPTURE(taken_first);
    Bench bench;
    bench.temp.folder("app/.git");
    if (taken_first) bench.temp.write("app/.git/index.lock", "");
    Gate gate(bench);
    bench.begin();
    REQUIRE(gate.is_reached());
    if (taken_first) {
      bench.temp.remove("app/.git/index.lock");
    } else {
      bench.temp.write("app/.git/index.lock", "");
    }
    gate.let_hear();
    gate.open();
    CHECK(bench.run_until([&] { return bench.ready; }));
    CHECK(bench.run_until([&] { return bench.watcher->held_locks().empty() == taken_first; }));
  }
}
