#include "daemon/moult/doubt.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

using namespace moult;

namespace {

// An app whose attempts are made of the disk, as the doubt sees it.
class ChangingApp : public Doubt::Owner {
 public:
  void compare_with_disk(std::function<void(bool same, SteadyTime now)> answer) override {
    comparisons.push_back(std::move(answer));
  }
  void attempt_anew(Cause cause) override {
    causes.push_back(cause.detail);
    begin();
  }
  void on_found_unchanged() override { ++unchanged; }
  void on_changes_go_on() override { ++told; }

  void begin() {
    doubt.begin_attempt();
    doubt.on_reading();
  }
  // An attempt that has read the disk and is loading.
  void load() {
    begin();
    doubt.on_read();
  }
  void settle(const std::string& detail, bool forced = false) {
    doubt.on_settled({CauseKind::change, detail, forced}, now);
  }
  void answer(bool same) {
    REQUIRE_FALSE(comparisons.empty());
    const auto comparison = std::move(comparisons.front());
    comparisons.erase(comparisons.begin());
    comparison(same, now);
  }
  // A load during which a change comes, and the disk is found to be another one.
  void spoil() {
    load();
    doubt.on_change("app.py");
    settle("app.py");
    answer(false);
  }

  std::vector<std::function<void(bool, SteadyTime)>> comparisons;
  std::vector<std::string> causes;  // of attempts that the doubt began
  int unchanged = 0;
  int told = 0;
  SteadyTime now{Milliseconds(5'000)};
  Doubt doubt{*this};
};

using Causes = std::vector<std::string>;

}  // namespace

TEST_CASE("a change without an attempt begins one when it has settled") {
  ChangingApp app;
  app.doubt.on_change("app.py");
  app.settle("app.py");
  CHECK(app.causes == Causes{"app.py"});
  CHECK(app.comparisons.empty());
}

TEST_CASE("a load without a change is switched to at once") {
  ChangingApp app;
  app.load();
  CHECK_FALSE(app.doubt.must_wait(app.now));
  CHECK_FALSE(app.doubt.excuses_rejection(app.now));
}

TEST_CASE("a generation during whose load a change came waits until the disk is found to be what it was") {
  ChangingApp app;
  app.load();
  app.doubt.on_change("app.py");
  CHECK(app.doubt.last_change() == "app.py");
  CHECK(app.doubt.must_wait(app.now));
  app.settle("app.py");
  CHECK(app.doubt.must_wait(app.now));
  app.answer(true);
  CHECK(app.unchanged == 1);
  CHECK_FALSE(app.doubt.must_wait(app.now));
  CHECK(app.causes.empty());
}

TEST_CASE("a change while the disk is looked at is one more to judge") {
  ChangingApp app;
  app.load();
  app.doubt.on_change("app.py");
  app.settle("app.py");
  app.doubt.on_change("views.py");
  app.answer(true);
  CHECK(app.doubt.must_wait(app.now));
  SUBCASE("which is looked at then") {
    app.settle("views.py");
    app.answer(true);
    CHECK_FALSE(app.doubt.must_wait(app.now));
  }
  SUBCASE("which begins a new attempt when it is forced") {
    app.settle("tmp/restart.txt", true);
    CHECK(app.causes == Causes{"tmp/restart.txt"});
  }
}

TEST_CASE(
    "a change that settles while the disk is looked at begins a new attempt, and the look is forgotten") {
  ChangingApp app;
  app.load();
  app.doubt.on_change("app.py");
  app.settle("app.py");
  app.doubt.on_change("views.py");
  app.settle("views.py");
  CHECK(app.causes == Causes{"views.py"});
  CHECK(app.doubt.spoiled() == 1);
  app.answer(false);
  CHECK(app.causes.size() == 1);
  CHECK(app.unchanged == 0);
}

TEST_CASE("a disk that has changed begins a new attempt, also when the first has ended meanwhile") {
  ChangingApp app;
  app.load();
  app.doubt.on_change("app.py");
  app.settle("app.py");
  int spoiled = 1;
  bool same = false;
  SUBCASE("while it goes on") {}
  SUBCASE("and the first was called off") {
    app.doubt.end_attempt();
    spoiled = 0;
  }
  SUBCASE("and the first was rejected, so that nothing is the same") {
    CHECK(app.doubt.excuses_rejection(app.now));
    same = true;
  }
  app.answer(same);
  CHECK(app.causes == Causes{"app.py"});
  CHECK(app.doubt.spoiled() == spoiled);
}

TEST_CASE("a change while the disk is read is answered by the next attempt, without a look") {
  ChangingApp app;
  app.begin();
  app.doubt.on_change("app.py");
  CHECK(app.doubt.is_overtaken());
  app.doubt.on_read();
  CHECK(app.doubt.is_overtaken());
  app.settle("app.py");
  CHECK(app.comparisons.empty());
  CHECK(app.causes == Causes{"app.py"});
  CHECK(app.doubt.spoiled() == 0);
}

TEST_CASE("an attempt that has read nothing of the disk has no doubts") {
  ChangingApp app;
  app.doubt.begin_attempt();
  app.doubt.on_read();
  app.doubt.on_change("app.py");
  CHECK_FALSE(app.doubt.must_wait(app.now));
  CHECK_FALSE(app.doubt.is_overtaken());
}

TEST_CASE("what half of a change was rejected for is told by what follows it") {
  ChangingApp app;
  app.load();
  app.doubt.on_change("app.py");
  CHECK(app.doubt.excuses_rejection(app.now));
  CHECK(app.doubt.is_overtaken());
  app.settle("app.py");
  CHECK(app.comparisons.empty());
  CHECK(app.causes == Causes{"app.py"});
  CHECK(app.doubt.spoiled() == 1);
}

TEST_CASE("a doubt that is dismissed does not come back") {
  ChangingApp app;
  app.load();
  CHECK_FALSE(app.doubt.dismiss());
  app.doubt.on_change("app.py");
  CHECK(app.doubt.dismiss());
  CHECK_FALSE(app.doubt.dismiss());
  CHECK_FALSE(app.doubt.must_wait(app.now));
  app.doubt.on_change("app.py");
  CHECK(app.doubt.must_wait(app.now));
}

TEST_CASE("a new attempt begins without the doubts of the one before") {
  ChangingApp app;
  app.load();
  app.doubt.on_change("app.py");
  app.load();
  CHECK_FALSE(app.doubt.must_wait(app.now));
}

TEST_CASE(
    "after three spoiled attempts in a row one passes, and the next wait ever longer, a minute at most") {
  ChangingApp app;
  for (int attempt = 1; attempt < Doubt::kPatience; ++attempt) {
    app.spoil();
    CHECK(app.doubt.not_before() == SteadyTime{});
  }
  app.spoil();
  CHECK(app.doubt.spoiled() == Doubt::kPatience);
  Milliseconds before{0};
  for (int attempt = 0; attempt < 40; ++attempt) {
    const auto pause = std::chrono::duration_cast<Milliseconds>(app.doubt.not_before() - app.now);
    CHECK(pause >= before);
    CHECK(pause <= Doubt::kLongestPause);
    if (attempt == 0) CHECK(pause == Milliseconds(1'000));
    before = pause;
    app.load();
    app.doubt.on_change("app.py");
    if (attempt % 2 == 0) {
      CHECK_FALSE(app.doubt.must_wait(app.now));  // it passes, and has no doubt left
      CHECK_FALSE(app.doubt.dismiss());
    } else {
      CHECK_FALSE(app.doubt.excuses_rejection(app.now));
    }
  }
  CHECK(before == Doubt::kLongestPause);
  CHECK(app.told == 1);
  app.load();
  CHECK_FALSE(app.doubt.must_wait(app.now));
  CHECK(app.doubt.spoiled() == 0);
  app.load();
  app.doubt.on_change("app.py");
  CHECK(app.doubt.must_wait(app.now));
}
