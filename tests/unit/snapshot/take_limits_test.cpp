// Trees that change while they are read, and trees that cannot be taken.

#include "taken_app.h"

#include <doctest/doctest.h>

#include <sys/fsuid.h>
#include <unistd.h>
#include <filesystem>
#include <functional>

using namespace moult;

namespace {

// Time that passes when it is slept, and a hand that is in the tree between listing and reading.
struct Meddler {
  SteadyTime now{};
  int asked = 0;                    // the first time is before the first attempt
  std::function<void(int)> meddle;  // with the number of the attempt
  std::vector<Milliseconds> slept{};

  TakeClock clock() {
    return {[this] {
              if (asked > 0) meddle(asked);
              ++asked;
              return now;
            },
            [this](Milliseconds pause) {
              slept.push_back(pause);
              now += pause;
            }};
  }
};

}  // namespace

TEST_CASE("a file that changes between listing and reading is taken again, as it is then") {
  TakenApp app;
  Meddler meddler{.meddle = [&](int attempt) {
    if (attempt <= 3) app.temp.replace("app/app.py", "import blog  # " + std::to_string(attempt));
  }};
  const auto taken = take_snapshot(app.spec, app.store, meddler.clock());
  REQUIRE(taken);
  CHECK((*taken)->find(app.temp.path("app/app.py"))->hash == hash_of("import blog  # 3"));
  CHECK(meddler.slept.size() == 3);
}

TEST_CASE("a file that vanishes or comes between listing and reading is seen") {
  TakenApp app;
  Meddler meddler{.meddle = [&](int attempt) {
    if (attempt == 1) app.temp.remove("app/blog/views.py");
    if (attempt == 2) app.temp.write("app/blog/models.py", "");
  }};
  const auto taken = take_snapshot(app.spec, app.store, meddler.clock());
  REQUIRE(taken);
  CHECK(app.names(*taken) == Names{"app/app.py", "app/blog/__init__.py", "app/blog/models.py"});
}

TEST_CASE("a file that never rests is an error that names it, once settle_max has passed") {
  TakenApp app;
  app.spec.limits.longest = Milliseconds(2000);
  int edits = 0;
  Meddler meddler{.meddle = [&](int) { app.temp.replace("app/app.py", std::to_string(++edits)); }};
  const auto taken = take_snapshot(app.spec, app.store, meddler.clock());
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == ErrorCode::timed_out);
  CHECK(taken.error().file == app.temp.path("app/app.py"));
  CHECK(meddler.now.time_since_epoch() >= Milliseconds(2000));
  CHECK(meddler.now.time_since_epoch() < Milliseconds(2500));
}

TEST_CASE("a folder whose other files come and go all the time does not hold a snapshot up") {
  TakenApp app;
  int files = 0;
  Meddler meddler{.meddle = [&](int) { app.temp.write("app/blog/" + std::to_string(++files) + ".log", ""); }};
  CHECK(take_snapshot(app.spec, app.store, meddler.clock()));
}

namespace {

// This thread has no more rights than the user nobody (setfsuid(2)): root may read everything.
class AsNobody {
 public:
  AsNobody() : before_(::setfsuid(::geteuid() == 0 ? 65534 : ::geteuid())) {}
  ~AsNobody() { ::setfsuid(static_cast<uid_t>(before_)); }

 private:
  int before_;
};

void let_everybody_in(const std::string& folder) {
  std::filesystem::permissions(folder, std::filesystem::perms::all);
}

}  // namespace

TEST_CASE("a source that cannot be read is an error that names it, a folder is left out with a note") {
  TakenApp app;
  let_everybody_in(app.temp.root());
  let_everybody_in(app.temp.folder("state"));
  app.temp.write("app/secret/x.py", "");
  std::filesystem::permissions(app.temp.path("app/secret"), std::filesystem::perms::none);
  {
    const AsNobody nobody;
    const SnapshotPtr snapshot = app.take();
    CHECK(snapshot->files.size() == 3);
    REQUIRE(snapshot->notes.size() == 1);
    CHECK(snapshot->notes[0].find("app/secret cannot be read: Permission denied") != std::string::npos);
  }
  std::filesystem::permissions(app.temp.path("app/secret"), std::filesystem::perms::owner_all);
  std::filesystem::permissions(app.temp.path("app/blog/views.py"), std::filesystem::perms::none);
  const AsNobody nobody;
  const auto taken = take_snapshot(app.spec, app.store);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().message.find("cannot read " + app.temp.path("app/blog/views.py")) != std::string::npos);
}

TEST_CASE("links in a circle and a link to itself are left out") {
  TakenApp app;
  app.temp.link("b.py", "app/a.py");
  app.temp.link("a.py", "app/b.py");
  app.temp.link("self", "app/self");
  app.temp.link(".", "app/here");
  CHECK(app.take()->source_count == 3);
}

TEST_CASE("one file that is too large is an error that names it") {
  TakenApp app;
  app.temp.write("app/table.py", std::string(5000, '#'));
  app.spec.limits.file_bytes = 4000;
  const auto taken = take_snapshot(app.spec, app.store);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == ErrorCode::too_large);
  CHECK(taken.error().message.find("4000 in one file") != std::string::npos);
  CHECK(taken.error().message.find("table.py (5000 bytes)") != std::string::npos);
}

TEST_CASE("more files in `watch` than allowed is an error") {
  TakenApp app;
  for (int i = 0; i < 10; ++i) app.temp.write("media/" + std::to_string(i) + ".jpg", "");
  app.spec.data = {app.temp.path("media")};
  app.spec.limits.files = 8;
  const auto taken = take_snapshot(app.spec, app.store);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().message.find("`watch` names 10 files, more than 8") != std::string::npos);
}

TEST_CASE("a tree whose path is not UTF-8 is an error that says so") {
  TakenApp app;
  app.spec.tree = app.temp.folder("caf\xe9");
  app.temp.write("caf\xe9/app.py", "");
  const auto taken = take_snapshot(app.spec, app.store);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().message.find("not UTF-8") != std::string::npos);
}
