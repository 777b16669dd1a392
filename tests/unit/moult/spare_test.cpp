#include "daemon/moult/spare.h"

#include "tests/unit/moult/idle_generations.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

using namespace moult;

namespace {

// An app that is edited, as its spare sees it. Time goes on as the test says.
class EditedApp : public Spare::Owner {
 public:
  std::optional<Spare::Fit> spare_fit() const override { return fit; }
  bool has_room_for_spare() const override { return has_room; }
  void ask_loaded(std::function<void(const LoadedEvent&)> answer) override {
    questions.push_back(std::move(answer));
  }
  Generation* make_spare(const LoadedEvent& loaded) override {
    ++made;
    imported = loaded.names;
    return can_make ? &generations.make(GenerationState::making) : nullptr;
  }
  void wake_spare_at(SteadyTime time) override { wake_at = time; }

  // Lets the time go by; the spare is woken when it wanted to be.
  void pass(Milliseconds time) {
    now += time;
    for (int times = 0; wake_at && *wake_at <= now; ++times) {
      REQUIRE(times < 3);
      wake_at.reset();
      spare.on_time(now);
    }
  }
  void answer(const std::string& why_not = "") {
    LoadedEvent loaded;
    loaded.names = {"json"};
    loaded.why = why_not;
    REQUIRE_FALSE(questions.empty());
    const auto question = std::move(questions.back());
    questions.pop_back();
    question(loaded);
  }
  // An edit is switched to, and the interpreter that serves then answers.
  void edit() {
    spare.on_edit(now);
    spare.renew(now);
    pass(Spare::kDelay);
    answer();
  }
  Generation& make_ready() {
    edit();
    REQUIRE(spare.generation() != nullptr);
    spare.generation()->record().state = GenerationState::spare;
    return *spare.generation();
  }

  test::IdleGenerations generations;
  std::optional<Spare::Fit> fit = Spare::Fit{"command", "packages"};
  bool has_room = true;
  bool can_make = true;
  std::vector<std::function<void(const LoadedEvent&)>> questions;
  std::vector<std::string> imported;
  int made = 0;
  SteadyTime now{Milliseconds(1'000'000)};
  std::optional<SteadyTime> wake_at;
  Spare spare{*this};
};

}  // namespace

TEST_CASE("an app that nobody edits gets no spare") {
  EditedApp app;
  app.spare.renew(app.now);
  app.pass(Milliseconds(10'000));
  CHECK(app.questions.empty());
  CHECK(app.spare.word() == "none");
}

TEST_CASE("a moment after a change a spare is made of what the interpreter that serves tells") {
  EditedApp app;
  app.spare.on_edit(app.now);
  app.spare.renew(app.now);
  app.pass(Spare::kDelay - Milliseconds(1));
  CHECK(app.questions.empty());
  app.pass(Milliseconds(1));
  CHECK(app.spare.word() == "none");
  app.answer();
  CHECK(app.imported == std::vector<std::string>{"json"});
  CHECK(app.spare.word() == "being made");
  CHECK(app.spare.take(*app.fit) == nullptr);
  app.spare.generation()->record().state = GenerationState::spare;
  CHECK(app.spare.word() == "ready");
  Generation* const taken = app.spare.take(*app.fit);
  REQUIRE(taken != nullptr);
  CHECK(taken->state() == GenerationState::spare);
  CHECK(app.spare.take(*app.fit) == nullptr);
  app.edit();
  CHECK(app.made == 2);
}

TEST_CASE("an app that is not edited any more gives its spare up") {
  EditedApp app;
  const Generation& first = app.make_ready();
  app.pass(Spare::kEdited / 2);
  app.spare.on_edit(app.now);  // what came of it was refused, so the spare is there still
  app.spare.renew(app.now);
  app.pass(Spare::kEdited - Milliseconds(1));
  CHECK(first.state() == GenerationState::spare);
  app.pass(Milliseconds(1));
  CHECK(app.spare.generation() == nullptr);
  CHECK(first.state() == GenerationState::retiring);
  app.spare.renew(app.now);
  app.pass(Spare::kDelay);
  CHECK(app.made == 1);
}

TEST_CASE(
    "a spare that was made for something else is dropped, by the change of settings or the next renewal") {
  EditedApp app;
  const Generation& spare = app.make_ready();
  app.spare.drop_unfit();
  CHECK(spare.state() == GenerationState::spare);
  CHECK(app.spare.take({"another command", "packages"}) == nullptr);
  CHECK(app.spare.take({"command", "other packages"}) == nullptr);
  SUBCASE("at once") {
    app.fit->packages = "newer packages";
    app.spare.drop_unfit();
  }
  SUBCASE("after the next attempt") {
    app.fit->command = "newer command";
    app.spare.renew(app.now);
  }
  SUBCASE("since the app serves no longer") {
    app.fit.reset();
    app.spare.renew(app.now);
  }
  CHECK(app.spare.generation() == nullptr);
  CHECK(spare.state() == GenerationState::retiring);
}

TEST_CASE("no spare is made where there is no room for it, whenever that turns out") {
  EditedApp app;
  app.spare.on_edit(app.now);
  app.spare.renew(app.now);
  SUBCASE("before the interpreter that serves is asked") {
    app.has_room = false;
    app.pass(Spare::kDelay);
    CHECK(app.questions.empty());
  }
  SUBCASE("before it answers") {
    app.pass(Spare::kDelay);
    app.has_room = false;
    app.answer();
  }
  SUBCASE("before it answers, and then nothing serves") {
    app.pass(Spare::kDelay);
    app.fit.reset();
    app.answer();
  }
  SUBCASE("since all that waits was dropped") {
    app.spare.drop();
    app.pass(Spare::kDelay);
    CHECK(app.questions.empty());
  }
  CHECK(app.made == 0);
}

TEST_CASE("an interpreter that is asked twice gives one spare") {
  EditedApp app;
  app.spare.on_edit(app.now);
  for (int i = 0; i < 2; ++i) {
    app.spare.renew(app.now);
    app.pass(Spare::kDelay);
  }
  app.answer();
  app.answer();
  CHECK(app.made == 1);
}

TEST_CASE("why there is no spare is told until there is one") {
  EditedApp app;
  app.spare.on_edit(app.now);
  app.spare.renew(app.now);
  app.pass(Spare::kDelay);
  app.answer("the app replaces socket.socket");
  CHECK(app.made == 0);
  CHECK(app.spare.word() == "the app replaces socket.socket");
  app.can_make = false;
  app.edit();
  CHECK(app.spare.word() == "none");
  app.can_make = true;
  app.make_ready();
  app.spare.lose("it could not be made: MemoryError");
  CHECK(app.spare.generation() == nullptr);
  CHECK(app.spare.word() == "it could not be made: MemoryError");
}

TEST_CASE("a spare fits every generation of an app that is made with the same command and packages") {
  MakeCommand command;
  command.app = "blog";
  command.generation = 3;
  command.spec.cause = "change";
  command.spec.log_imports = "reload because: change of app.py";
  MakeCommand later = command;
  later.generation = 4;
  later.spec.cause = "reload";
  later.spec.log_imports.clear();
  CHECK(Spare::fit_of(command, "p") == Spare::fit_of(later, "p"));
  CHECK_FALSE(Spare::fit_of(command, "p") == Spare::fit_of(later, "q"));
  later.spec.tree = "/srv/other";
  CHECK_FALSE(Spare::fit_of(command, "p") == Spare::fit_of(later, "p"));
}
