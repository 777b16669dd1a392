#include "daemon/methods/status.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace moult;
using control::Json;

namespace {

AttemptOutcome rejected(std::uint64_t generation, std::uint64_t previous) {
  AttemptOutcome outcome;
  outcome.kind = AttemptOutcome::Kind::rejected;
  outcome.generation = generation;
  outcome.previous = previous;
  outcome.rejection = {"callable", "no application in app.py", "Traceback", "/srv/app.py", 12, {}};
  return outcome;
}

}  // namespace

TEST_CASE("each cause has the word of docs/control.md") {
  CHECK(cause_word(CauseKind::start) == "start");
  CHECK(cause_word(CauseKind::change) == "change");
  CHECK(cause_word(CauseKind::reload) == "reload");
  CHECK(cause_word(CauseKind::restart) == "restart");
  CHECK(cause_word(CauseKind::restart_file) == "touch");
  CHECK(cause_word(CauseKind::rollback) == "rollback");
  CHECK(cause_word(CauseKind::recycle) == "recycle");
  CHECK(cause_word(CauseKind::host_lost) == "recovery");
  CHECK(cause_word(CauseKind::settings) == "config");
  CHECK(cause_word(CauseKind::check) == "check");
}

TEST_CASE("each stage has the word of docs/control.md") {
  CHECK(stage_word("boot") == "interpreter");
  CHECK(stage_word("import") == "import");
  CHECK(stage_word("callable") == "entry");
  CHECK(stage_word("ready") == "ready");
  CHECK(stage_word("warmup") == "warmup");
  CHECK(stage_word("timeout") == "timeout");
  CHECK(stage_word("crash") == "import");
}

TEST_CASE("a cause is told in a sentence with what brought it about") {
  CHECK(describe({CauseKind::start, "", false}) == "first load");
  CHECK(describe({CauseKind::change, "blog/views.py and 3 more", false}) ==
        "change of blog/views.py and 3 more");
  CHECK(describe({CauseKind::restart_file, "tmp/restart.txt", true}) == "touch of tmp/restart.txt");
  CHECK(describe({CauseKind::rollback, "12", true}) == "roll-back to generation 12");
  CHECK(describe({CauseKind::reload, "", true}) == "reload");
  CHECK(describe({CauseKind::reload, "moultctl", true}) == "reload by moultctl");
}

TEST_CASE("a rejection says what was rejected, why and where, and what still serves") {
  const Error error = rejection_error(rejected(14, 13));
  CHECK(error.code == ErrorCode::code_rejected);
  CHECK(error.message == "generation 14 was rejected: no application in app.py");
  CHECK(error.detail == "Traceback");
  CHECK(error.file == "/srv/app.py");
  CHECK(error.line == 12);
  CHECK(error.hint == "generation 13 still serves; the next change tries again");
}

TEST_CASE("a rejection with nothing in service says so") {
  CHECK(rejection_error(rejected(1, 0)).hint == "nothing serves; the next change tries again");
}

TEST_CASE("code that got no number is rejected as such") {
  CHECK(rejection_error(rejected(0, 13)).message == "the code was rejected: no application in app.py");
}

TEST_CASE("the data of a rejection has numbers, or null where there are none") {
  CHECK(rejection_more("blog", rejected(14, 13)) ==
        Json{{"app", "blog"}, {"generation", 14}, {"serving", 13}, {"stage", "entry"}});
  CHECK(rejection_more("blog", rejected(0, 0)) ==
        Json{{"app", "blog"}, {"generation", nullptr}, {"serving", nullptr}, {"stage", "entry"}});
}
