#include "daemon/watch/settle.h"

#include <doctest/doctest.h>

using namespace moult;
using std::chrono::seconds;

namespace {

SteadyTime at(int milliseconds) { return SteadyTime(seconds(1000) + Milliseconds(milliseconds)); }

Change change(int milliseconds, ChangeKind kind = ChangeKind::source, std::string path = "/app/a.py") {
  return {std::move(path), kind, at(milliseconds)};
}

// Plays changes at the given times and takes whenever something is due, asking only when told to.
// Returns the times of the takes.
std::vector<int> play(Settle& settle, const std::vector<int>& times) {
  std::vector<int> taken;
  const auto take_until = [&](SteadyTime until) {
    while (const auto deadline = settle.next_deadline()) {
      if (*deadline >= until) return;
      REQUIRE(settle.is_due(*deadline));
      taken.push_back(static_cast<int>((*deadline - at(0)) / Milliseconds(1)));
      settle.take();
    }
  };
  for (const int time : times) {
    take_until(at(time));
    settle.on_change(change(time));
  }
  take_until(SteadyTime::max());
  return taken;
}

std::vector<int> every(int gap, int count) {
  std::vector<int> times;
  for (int i = 0; i < count; ++i) times.push_back(i * gap);
  return times;
}

using Times = std::vector<int>;

}  // namespace

TEST_CASE("nothing is due without a change") {
  Settle settle;
  CHECK_FALSE(settle.is_due(at(0)));
  CHECK_FALSE(settle.next_deadline());
  CHECK(settle.waits_for(at(0)).empty());
}

TEST_CASE("a change is due after the quiet time, not a moment before") {
  Settle settle;
  settle.on_change(change(0));
  CHECK_FALSE(settle.is_due(at(99)));
  CHECK(settle.waits_for(at(99)) == "settling (100 ms without a change)");
  CHECK(settle.is_due(at(100)));
  CHECK(settle.waits_for(at(100)).empty());
  const ChangeBatch batch = settle.take();
  CHECK(batch.count == 1);
  CHECK(batch.changes.at(0).path == "/app/a.py");
  CHECK_FALSE(batch.forced);
  CHECK(settle.is_empty());
}

TEST_CASE("a burst with short gaps that ends within settle_max is taken once") {
  Settle settle;
  CHECK(play(settle, every(99, 50)) == Times{49 * 99 + 100});
}

TEST_CASE("a longer burst is taken once per settle_max, and what comes last is always taken") {
  Settle settle;
  // 99 ms apart for 14.85 s: 0, then the first change after each take starts anew.
  CHECK(play(settle, every(99, 151)) == Times{5000, 5049 + 5000, 10098 + 4752 + 100});
}

TEST_CASE("changes with gaps longer than the quiet time are taken one by one") {
  Settle settle;
  CHECK(play(settle, {0, 150, 300}) == Times{100, 250, 400});
}

TEST_CASE("a change after the take is not lost") {
  Settle settle;
  settle.on_change(change(0));
  settle.take();
  settle.on_change(change(10));
  CHECK(settle.is_due(at(110)));
}

TEST_CASE("while a lock is held nothing is due, and its release starts the quiet time") {
  Settle settle;
  settle.on_change(change(0, ChangeKind::vcs_lock_taken, "/app/.git/index.lock"));
  CHECK(settle.is_empty());
  settle.on_change(change(10));
  CHECK_FALSE(settle.is_due(at(20'000)));
  CHECK(settle.waits_for(at(20'000)) == "waits for /app/.git/index.lock");
  settle.on_change(change(20'000, ChangeKind::vcs_lock_released, "/app/.git/index.lock"));
  CHECK_FALSE(settle.is_due(at(20'099)));
  CHECK(settle.is_due(at(20'100)));
}

TEST_CASE("a lock that a later watcher does not see is let go, and that is like its release") {
  Settle settle;
  settle.on_change(change(0, ChangeKind::vcs_lock_taken, "/app/.git/index.lock"));
  settle.on_change(change(10));
  settle.keep_locks({"/app/.git/index.lock"}, at(300));
  CHECK_FALSE(settle.is_due(at(500)));
  settle.keep_locks({}, at(500));
  CHECK_FALSE(settle.is_due(at(599)));
  CHECK(settle.is_due(at(600)));
}

TEST_CASE("a lock that a crash left behind is not waited for after a minute") {
  Settle settle;
  settle.on_change(change(0, ChangeKind::vcs_lock_taken, "/app/.git/index.lock"));
  settle.on_change(change(10));
  CHECK(settle.next_deadline() == at(60'000));
  CHECK(settle.is_due(at(60'000)));
  settle.take();
  settle.on_change(change(70'000));
  CHECK(settle.is_due(at(70'100)));
}

TEST_CASE("a deploy bracket holds everything back until it is closed") {
  Settle settle;
  settle.open_bracket(at(30'000));
  settle.on_change(change(0));
  settle.on_change(change(500, ChangeKind::restart_file));
  CHECK_FALSE(settle.is_due(at(10'000)));
  CHECK(settle.waits_for(at(10'000)) == "deploy bracket (20 s left)");
  settle.close_bracket(at(12'000));
  CHECK(settle.is_due(at(12'100)));
  CHECK(settle.take().forced);
}

TEST_CASE("a deploy bracket that nobody closes ends at its deadline") {
  Settle settle;
  settle.open_bracket(at(30'000));
  settle.on_change(change(0));
  CHECK(settle.next_deadline() == at(30'000));
  CHECK(settle.is_due(at(30'000)));
}

TEST_CASE("what changes while frozen is taken once after the thaw") {
  Settle settle;
  settle.freeze();
  settle.on_change(change(0));
  settle.on_change(change(9000));
  CHECK_FALSE(settle.is_due(at(100'000)));
  CHECK_FALSE(settle.next_deadline());
  CHECK(settle.waits_for(at(100'000)) == "frozen");
  settle.thaw();
  CHECK(settle.is_due(at(100'000)));
  CHECK(settle.take().count == 2);
  CHECK_FALSE(settle.next_deadline());
}

TEST_CASE("a touch of restart.txt or of the entry file is forced") {
  for (const ChangeKind kind : {ChangeKind::restart_file, ChangeKind::entry_touch}) {
    Settle settle;
    settle.on_change(change(0));
    settle.on_change(change(1, kind));
    CHECK(settle.take().forced);
  }
}

TEST_CASE("changed packages wait longer, as installers pause") {
  Settle settle;
  settle.on_change(change(0, ChangeKind::packages, "/venv/six.py"));
  CHECK_FALSE(settle.is_due(at(999)));
  CHECK(settle.is_due(at(1000)));
  CHECK(settle.take().packages);
}

TEST_CASE("a file that is still open for writing is waited for, but not for longer than settle_max") {
  Settle settle;
  Change upload = change(0);
  upload.writing = Writing::yes;
  settle.on_change(upload);
  CHECK_FALSE(settle.is_due(at(4999)));
  CHECK(settle.waits_for(at(300)) == "/app/a.py is being written");
  CHECK(settle.is_due(at(5000)));
  settle.on_change(change(500));  // found by a scan, which knows nothing of it
  CHECK_FALSE(settle.is_due(at(4999)));
  upload.when = at(600);
  upload.writing = Writing::no;  // closed
  settle.on_change(upload);
  CHECK(settle.is_due(at(700)));
}

TEST_CASE("a file that nobody writes any more waits no longer, whatever its last event said") {
  Settle settle;
  Change touched = change(0);
  touched.writing = Writing::yes;
  settle.on_change(touched);
  CHECK(settle.next_doubt() == at(100));
  CHECK(settle.take_doubts(at(99)).empty());
  CHECK(settle.take_doubts(at(100)) == std::vector<std::string>{"/app/a.py"});
  CHECK_FALSE(settle.next_doubt());  // asked once
  settle.on_nobody_writes({"/app/a.py"});
  CHECK(settle.is_due(at(100)));
}

TEST_CASE("a file that was written again while it was asked for is asked for again") {
  Settle settle;
  Change written = change(0);
  written.writing = Writing::yes;
  settle.on_change(written);
  settle.take_doubts(at(100));
  written.when = at(101);
  settle.on_change(written);
  settle.on_nobody_writes({"/app/a.py"});
  CHECK_FALSE(settle.is_due(at(201)));
  CHECK(settle.take_doubts(at(201)).size() == 1);
}

TEST_CASE("what holds changes back is named for why") {
  Settle settle;
  CHECK(settle.held_by(at(0)).empty());
  settle.on_change(change(0, ChangeKind::vcs_lock_taken, "/app/.git/index.lock"));
  CHECK(settle.held_by(at(1)) == "the lock /app/.git/index.lock");
  settle.open_bracket(at(30'000));
  CHECK(settle.held_by(at(1)) == "deploy bracket");
  CHECK(settle.held_by(at(60'000)).empty());
}

TEST_CASE("what waits is told in files, however often each of them changes") {
  Settle settle;
  settle.freeze();
  for (int i = 0; i < 3; ++i) settle.on_change(change(i, ChangeKind::source, "/app/a.py"));
  settle.on_change(change(3, ChangeKind::entry_touch, "/app/a.py"));
  CHECK(settle.pending_text() == "1 changed file waits");
  settle.on_change(change(4, ChangeKind::source, "/app/b.py"));
  CHECK(settle.pending_text() == "2 changed files wait");
  settle.drop();
  CHECK(settle.pending().files == 0);
  settle.on_change(change(5, ChangeKind::source, "/app/a.py"));
  CHECK(settle.take().files == 1);
}

TEST_CASE("a batch keeps distinct paths in the order of their last change, and not too many") {
  Settle settle;
  for (int i = 0; i < 60; ++i) settle.on_change(change(i, ChangeKind::source, "/app/" + std::to_string(i)));
  settle.on_change(change(60, ChangeKind::source, "/app/30"));
  const ChangeBatch& batch = settle.pending();
  CHECK(batch.count == 61);
  CHECK(batch.changes.size() == Settle::kKeptChanges);
  CHECK(batch.files == 60);
  CHECK(batch.changes.front().path == "/app/10");
  CHECK(batch.changes.back().path == "/app/30");
}
