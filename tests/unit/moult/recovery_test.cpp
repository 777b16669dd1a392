#include "daemon/moult/recovery.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

using namespace moult;

namespace {

// An app that loses its hosts, as its recovery sees it. What is made anew is under way until the test ends
// it.
class FallenApp : public Recovery::Owner {
 public:
  bool may_recover() const override { return !is_busy; }
  bool is_serving() const override { return serves; }
  std::optional<Recovery::Wanted> departure() const override { return departs; }
  const std::optional<SnapshotMark>& served_last() const override { return last; }
  void make_again(Recovery::Wanted wanted) override {
    begin(std::string(to_string(wanted.cause.kind)) + " of " + wanted.snapshot);
  }
  void make_from_disk(const std::string& error) override { begin("the disk: " + error); }
  void fall_back(const SnapshotMark& mark) override { begin("what served last: " + mark.snapshot); }
  void wake_recovery_at(SteadyTime time) override { wake_at = time; }
  void tell_next_try(std::string_view why, Milliseconds wait) override {
    told.push_back(std::string(why) + std::to_string(wait.count()));
  }

  void begin(std::string what) {
    REQUIRE_FALSE(is_busy);
    is_busy = true;
    made.push_back(std::move(what));
  }
  // The attempt under way ends so.
  void serve(bool is_news = false) {
    is_busy = false;
    serves = true;
    recovery.on_serving(is_news);
    recovery.look_again();
  }
  void refuse(const Recovery::Refused& refused) {
    is_busy = false;
    recovery.on_rejected(refused, now);
    recovery.look_again();
  }
  void die(bool is_to_blame = true) {
    serves = false;
    recovery.on_death({{CauseKind::host_lost, "was ended", true}, "s1"}, is_to_blame, now);
  }
  // Lets the time go by; the recovery is woken when it wanted to be.
  void pass(Milliseconds time) {
    now += time;
    for (int times = 0; wake_at && *wake_at <= now; ++times) {
      REQUIRE(times < 4);
      wake_at.reset();
      recovery.on_time(now);
    }
  }

  bool is_busy = false;
  bool serves = true;
  std::optional<Recovery::Wanted> departs;
  std::optional<SnapshotMark> last;
  std::vector<std::string> made;
  std::vector<std::string> told;
  SteadyTime now{Milliseconds(1'000'000)};
  std::optional<SteadyTime> wake_at;
  Recovery recovery{*this};
};

using Texts = std::vector<std::string>;

Recovery::Refused refused(CauseKind cause, const std::string& snapshot, const std::string& stage,
                          const std::string& code = "s2") {
  return {{{cause, "", true}, snapshot}, code, stage, "an error", false};
}

}  // namespace

TEST_CASE(
    "after the first death the app is made again at once, of the code that served, and not before the loop") {
  FallenApp app;
  app.die();
  CHECK(app.made.empty());
  CHECK(app.told.empty());
  CHECK(app.recovery.next_try() == app.now);
  app.pass(Milliseconds(0));
  CHECK(app.made == Texts{"host_lost of s1"});
  CHECK_FALSE(app.recovery.next_try());
  app.serve();
  app.pass(Milliseconds(100'000));
  CHECK(app.made.size() == 1);
}

TEST_CASE(
    "an app whose host dies again and again waits ever longer, and one that a neighbour kills does not") {
  FallenApp app;
  for (int i = 0; i < 3; ++i) {
    app.die();
    app.pass(Milliseconds(2'000));
    app.serve();
  }
  CHECK(app.made.size() == 3);
  CHECK(app.told == Texts{"the host died again; 1000", "the host died again; 2000"});
  app.die(false);
  app.pass(Milliseconds(0));
  CHECK(app.made.size() == 4);
  app.serve();
  app.recovery.on_peace();
  app.die();
  app.pass(Milliseconds(0));
  CHECK(app.made.size() == 5);
}

TEST_CASE("an app that is being made when its host dies is made again when that has ended without it") {
  FallenApp app;
  app.begin("a change");
  app.die();
  app.pass(Milliseconds(5'000));
  CHECK(app.made.size() == 1);
  app.refuse(refused(CauseKind::change, "", "import"));
  app.pass(Milliseconds(0));
  CHECK(app.made.back() == "host_lost of s1");
}

TEST_CASE("an app that is stopped, or being made for another reason, is not made again") {
  FallenApp app;
  app.die();
  SUBCASE("stopped") {
    app.recovery.stop();
    app.is_busy = true;
  }
  SUBCASE("stopped and started again, which makes it by itself") { app.recovery.stop(); }
  SUBCASE("being made") { app.begin("a change"); }
  const std::size_t made = app.made.size();
  app.pass(Milliseconds(60'000));
  CHECK(app.made.size() == made);
  CHECK_FALSE(app.recovery.next_try());
}

TEST_CASE("code of the disk that is refused with nothing serving falls back to what served last") {
  FallenApp app;
  app.serves = false;
  app.last = SnapshotMark{7, "s1", ""};
  app.begin("start");
  std::size_t made = 1;
  SUBCASE("") {
    app.refuse(refused(CauseKind::start, "", "import"));
    CHECK(app.made.back() == "what served last: s1");
    app.refuse(refused(CauseKind::rollback, "s1", "import", "s1"));  // once
    made = 2;
  }
  SUBCASE("but not when it is the same code") { app.refuse(refused(CauseKind::start, "", "import", "s1")); }
  SUBCASE("nor when no code can be served") { app.refuse(refused(CauseKind::start, "", "host")); }
  SUBCASE("nor when older code serves") {
    app.serves = true;
    app.refuse(refused(CauseKind::change, "", "crash"));
  }
  app.pass(Milliseconds(60'000));
  CHECK(app.made.size() == made);
  CHECK(app.told.empty());
}

TEST_CASE("a kept snapshot that is no use gives way to the disk") {
  FallenApp app;
  app.die();
  app.pass(Milliseconds(0));
  app.refuse(refused(CauseKind::host_lost, "s1", "snapshot", ""));
  CHECK(app.made.back() == "the disk: an error");
  app.refuse(refused(CauseKind::start, "", "import"));  // nothing is left that could be tried
  app.pass(Milliseconds(60'000));
  CHECK(app.made.size() == 2);
}

TEST_CASE("what crashes, or comes back from a death, is tried again later and later") {
  FallenApp app;
  app.serves = false;
  app.begin("start");
  SUBCASE("a crash of the first load") {
    app.refuse(refused(CauseKind::start, "", "crash"));
    app.pass(Milliseconds(0));
    CHECK(app.made.back() == "start of ");
    app.refuse(refused(CauseKind::start, "", "crash"));
  }
  SUBCASE("code that served, and is refused now") {
    app.refuse(refused(CauseKind::host_lost, "s1", "import", "s1"));
    app.pass(Milliseconds(0));
    CHECK(app.made.back() == "host_lost of s1");
    app.refuse(refused(CauseKind::host_lost, "s1", "import", "s1"));
  }
  CHECK(app.told == Texts{"0", "1000"});
  CHECK(app.recovery.next_try() == app.now + Milliseconds(1'000));
  app.pass(Milliseconds(999));
  CHECK(app.made.size() == 2);
  app.pass(Milliseconds(1));
  CHECK(app.made.size() == 3);
}

TEST_CASE("an attempt that lacked means is made again when others may have given some back") {
  FallenApp app;
  Recovery::Refused lacked = refused(CauseKind::change, "", "snapshot", "");
  lacked.lacked_means = true;
  app.begin("a change");
  SUBCASE("while older code serves") {}
  SUBCASE("with nothing serving, also of a kept snapshot") {
    app.serves = false;
    lacked.wanted.snapshot = "s1";
  }
  app.refuse(lacked);
  CHECK(app.told == Texts{"1000"});
  app.pass(Milliseconds(999));
  CHECK(app.made.size() == 1);
  app.pass(Milliseconds(1));
  CHECK(app.made.back() == "change of " + lacked.wanted.snapshot);
  app.serve();
  app.pass(Milliseconds(60'000));
  CHECK(app.made.size() == 2);
}

TEST_CASE("an attempt that lacked means gives way to one that is under way when it would be made again") {
  FallenApp app;
  Recovery::Refused lacked = refused(CauseKind::change, "", "host");
  lacked.lacked_means = true;
  app.refuse(lacked);
  app.begin("another change");
  app.pass(Recovery::kMeansAgain);
  app.serve();
  app.pass(Milliseconds(60'000));
  CHECK(app.made == Texts{"another change"});
}

TEST_CASE("what lacked means is not made again when something newer serves, or the app was stopped") {
  FallenApp app;
  app.serve();
  Recovery::Refused lacked = refused(CauseKind::change, "", "host");
  lacked.lacked_means = true;
  app.refuse(lacked);
  SUBCASE("the disk, or a roll-back") { app.serve(true); }
  SUBCASE("a stop") { app.recovery.stop(); }
  app.pass(Recovery::kMeansAgain);
  CHECK(app.made.empty());
}

TEST_CASE("what lacked means waits beside what is to leave its host, and neither forgets the other") {
  FallenApp app;
  app.departs = Recovery::Wanted{{CauseKind::recycle, "it is old", true}, "s1"};
  Recovery::Refused lacked = refused(CauseKind::change, "", "host");
  lacked.lacked_means = true;
  app.begin("a change");
  app.refuse(lacked);
  app.pass(Milliseconds(0));
  CHECK(app.made.back() == "recycle of s1");
  app.departs.reset();
  app.serve();
  app.pass(Recovery::kMeansAgain);
  CHECK(app.made.back() == "change of ");
}

TEST_CASE("an app leaves its host once, and when that fails not again for half a minute") {
  FallenApp app;
  app.departs = Recovery::Wanted{{CauseKind::recycle, "it is old", true}, "s1"};
  app.recovery.look_again();
  CHECK(app.made.empty());
  app.pass(Milliseconds(0));
  CHECK(app.made == Texts{"recycle of s1"});
  app.refuse(refused(CauseKind::recycle, "s1", "import", "s1"));
  app.pass(Recovery::kLeaveAgain - Milliseconds(1));
  CHECK(app.made.size() == 1);
  SUBCASE("when it has to leave still") {
    app.pass(Milliseconds(1));
    CHECK(app.made.size() == 2);
  }
  SUBCASE("when the host can be stayed in after all") {
    app.departs.reset();
    app.pass(Milliseconds(1));
    CHECK(app.made.size() == 1);
  }
  SUBCASE("unless something else has been switched to") {
    app.serve();
    app.pass(Milliseconds(0));
    CHECK(app.made.size() == 2);
  }
}
