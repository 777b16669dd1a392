#include "daemon/moult/app_record.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>

using namespace moult;

namespace {

using Json = nlohmann::json;

WallTime at(long long milliseconds) { return WallTime(Milliseconds(1'790'000'000'000LL + milliseconds)); }

GenerationRecord generation(std::uint64_t number) {
  GenerationRecord record;
  record.number = number;
  record.state = GenerationState::retired;
  return record;
}

GenerationRecord that_served(std::uint64_t number, std::string snapshot) {
  GenerationRecord record = generation(number);
  record.activated = at(static_cast<long long>(number));
  record.snapshot = std::move(snapshot);
  return record;
}

GenerationRecord full_generation() {
  GenerationRecord record;
  record.number = 14;
  record.cause = {CauseKind::change, "blog/views.py", false};
  record.snapshot = "aa";
  record.tree = "/srv/blog";
  record.commit = "bb";
  record.created = at(1);
  record.activated = at(2);
  record.ended = at(3);
  record.make_seconds = 0.25;
  record.state = GenerationState::rejected;
  record.isolation = "shared";
  record.python = "3.11.2";
  record.callable = "app:application";
  record.rejection = {"import", "SyntaxError", "Traceback\n  File", "/srv/blog/views.py", 12, {}};
  record.files = 40;
  record.calls = 1000;
  record.drain_killed = 2;
  record.drain_seconds = 1.5;
  return record;
}

AppRecord full_record() {
  AppRecord record;
  record.next_generation = 15;
  record.active = SnapshotMark{13, "cc", ""};
  record.pinned = SnapshotMark{12, "dd", "ee"};
  record.stopped = true;
  record.frozen = true;
  record.deploy = Deploy{at(4), at(600'004)};
  record.verdict = Verdict::needs_process;
  record.verdict_reason = "numpy cannot live in a sub-interpreter";
  record.packages = "ff";
  record.c_environment = {{"TZ", "Europe/Berlin"}};
  record.preimport = {"/usr/lib/x.so"};
  record.history = {generation(13), full_generation()};
  return record;
}

AppRecord decoded(const std::string& text) {
  auto record = decode_record(text);
  REQUIRE(record);
  return *record;
}

// The record with one member of its JSON changed.
Result<AppRecord> with(const char* key, const Json& value) {
  Json json = Json::parse(encode_record(full_record()));
  json[key] = value;
  return decode_record(json.dump());
}

}  // namespace

TEST_CASE("a record is read back as it was written") {
  const AppRecord record = decoded(encode_record(full_record()));
  CHECK(record.next_generation == 15);
  CHECK(record.active == full_record().active);
  CHECK(record.pinned == full_record().pinned);
  CHECK(record.stopped);
  CHECK(record.frozen);
  CHECK(record.deploy == full_record().deploy);
  CHECK(record.verdict == Verdict::needs_process);
  CHECK(record.verdict_reason == full_record().verdict_reason);
  CHECK(record.packages == "ff");
  CHECK(record.c_environment == full_record().c_environment);
  CHECK(record.preimport == full_record().preimport);
  REQUIRE(record.history.size() == 2);
  CHECK(record.history[0].number == 13);
}

TEST_CASE("a generation of the history is read back as it was written") {
  const GenerationRecord was = full_generation();
  const GenerationRecord is = decoded(encode_record(full_record())).history.at(1);
  CHECK(is.number == was.number);
  CHECK(is.cause.kind == was.cause.kind);
  CHECK(is.cause.detail == was.cause.detail);
  CHECK(is.snapshot == was.snapshot);
  CHECK(is.tree == was.tree);
  CHECK(is.commit == was.commit);
  CHECK(is.created == was.created);
  CHECK(is.activated == was.activated);
  CHECK(is.ended == was.ended);
  CHECK(is.make_seconds == was.make_seconds);
  CHECK(is.state == was.state);
  CHECK(is.isolation == was.isolation);
  CHECK(is.python == was.python);
  CHECK(is.callable == was.callable);
  CHECK(is.rejection.stage == was.rejection.stage);
  CHECK(is.rejection.error == was.rejection.error);
  CHECK(is.rejection.traceback == was.rejection.traceback);
  CHECK(is.rejection.file == was.rejection.file);
  CHECK(is.rejection.line == was.rejection.line);
  CHECK(is.files == was.files);
  CHECK(is.calls == was.calls);
  CHECK(is.drain_killed == was.drain_killed);
  CHECK(is.drain_seconds == was.drain_seconds);
}

TEST_CASE("every cause is read back as it was written") {
  for (const CauseKind kind :
       {CauseKind::start, CauseKind::change, CauseKind::reload, CauseKind::restart, CauseKind::restart_file,
        CauseKind::rollback, CauseKind::recycle, CauseKind::host_lost, CauseKind::settings, CauseKind::check,
        CauseKind::deploy}) {
    AppRecord record;
    record.history = {generation(1)};
    record.history[0].cause.kind = kind;
    CHECK(decoded(encode_record(record)).history.at(0).cause.kind == kind);
  }
}

TEST_CASE("a new app's record is read back as that of a new app") {
  const AppRecord record = decoded(encode_record(AppRecord{}));
  CHECK(record.next_generation == 1);
  CHECK_FALSE(record.active);
  CHECK_FALSE(record.pinned);
  CHECK_FALSE(record.stopped);
  CHECK_FALSE(record.frozen);
  CHECK(record.verdict == Verdict::none);
  CHECK(record.history.empty());
}

TEST_CASE("a generation that lived when the daemon ended is over in the record that is read") {
  for (const auto& [was, is] : {std::pair{GenerationState::active, GenerationState::retired},
                                std::pair{GenerationState::making, GenerationState::retired},
                                std::pair{GenerationState::draining, GenerationState::retired},
                                std::pair{GenerationState::standby, GenerationState::retired},
                                std::pair{GenerationState::rejected, GenerationState::rejected},
                                std::pair{GenerationState::abandoned, GenerationState::abandoned},
                                std::pair{GenerationState::lost, GenerationState::lost}}) {
    AppRecord record;
    record.history = {generation(1)};
    record.history[0].state = was;
    CHECK(decoded(encode_record(record)).history.at(0).state == is);
  }
}

TEST_CASE("members that are not known are ignored, those that are missing have their defaults") {
  const auto newer = with("colour", "green");
  REQUIRE(newer);
  CHECK(newer->next_generation == 15);
  const AppRecord oldest = decoded(R"({"version": 1, "next_generation": 7})");
  CHECK(oldest.next_generation == 7);
  CHECK(oldest.verdict == Verdict::none);
  CHECK(oldest.history.empty());
  const AppRecord sparse =
      decoded(R"({"next_generation": 7, "active": {"snapshot": "aa"}, "history": [{"number": 3}]})");
  CHECK(sparse.active == SnapshotMark{0, "aa", ""});
  CHECK(sparse.history.at(0).number == 3);
  CHECK(sparse.history.at(0).cause.kind == CauseKind::start);
}

TEST_CASE("a cause or a state that a newer daemon wrote does no harm") {
  const AppRecord record =
      decoded(R"({"next_generation": 2, "history": [{"number": 1, "cause": "moon", "state": "asleep"}]})");
  CHECK(record.history.at(0).cause.kind == CauseKind::start);
  CHECK(record.history.at(0).state == GenerationState::retired);
}

TEST_CASE("a damaged record is an error and never a crash") {
  const auto is_damaged = [](const Result<AppRecord>& record) {
    return !record && record.error().code == ErrorCode::failed &&
           record.error().message == "the app's state file is damaged";
  };
  for (const char* text : {"", "{", "null", "[]", "7", "\"x\"", "{}", "\xff\xfe",
                           R"({"next_generation": "7"})", R"({"next_generation": null})"}) {
    CAPTURE(text);
    CHECK(is_damaged(decode_record(text)));
  }
  CHECK(is_damaged(with("stopped", "yes")));
  CHECK(is_damaged(with("history", Json::array({1}))));
  CHECK(is_damaged(with("history", Json::array({{{"number", "x"}}}))));
  CHECK(is_damaged(with("active", {{"snapshot", 3}})));
  CHECK(is_damaged(with("c_environment", {{"TZ", 3}})));
  CHECK(is_damaged(with("preimport", {1, 2})));
}

TEST_CASE("a record that was cut anywhere is damaged, not half read") {
  const std::string whole = encode_record(full_record());
  for (std::size_t size = 0; size + 2 < whole.size(); size += 7)
    CHECK_FALSE(decode_record(whole.substr(0, size)));
}

TEST_CASE("a text that is no UTF-8 does not keep the record from being written") {
  AppRecord record;
  record.history = {generation(1)};
  record.history[0].cause.detail = "caf\xe9.py";
  record.history[0].rejection.error = "UnicodeError: \xff";
  const AppRecord read = decoded(encode_record(record));
  CHECK(read.history.at(0).cause.detail == "caf\xef\xbf\xbd.py");
}

TEST_CASE("a generation that is remembered again replaces what was known of it") {
  AppRecord record;
  record.remember(generation(1));
  record.remember(generation(2));
  GenerationRecord again = generation(1);
  again.state = GenerationState::lost;
  record.remember(again);
  REQUIRE(record.history.size() == 2);
  CHECK(record.history[0].number == 1);
  CHECK(record.history[0].state == GenerationState::lost);
}

TEST_CASE("of many generations the last are remembered") {
  AppRecord record;
  for (std::uint64_t number = 1; number <= AppRecord::kHistory + 5; ++number)
    record.remember(generation(number));
  CHECK(record.history.size() == AppRecord::kHistory);
  CHECK(record.history.front().number == 6);
  CHECK(record.history.back().number == AppRecord::kHistory + 5);
}

TEST_CASE("a file with more generations than are remembered is cut to the last of them") {
  AppRecord record;
  for (std::uint64_t number = 1; number <= 100; ++number) record.history.push_back(generation(number));
  const AppRecord read = decoded(encode_record(record));
  CHECK(read.history.size() == AppRecord::kHistory);
  CHECK(read.history.back().number == 100);
}

TEST_CASE("a next generation that is no number from 1 on is damage") {
  CHECK_FALSE(with("next_generation", 0));
  CHECK_FALSE(with("next_generation", -1));
}

TEST_CASE("generations are kept in the order of their numbers, whichever is remembered first") {
  AppRecord record;
  for (const std::uint64_t number : {3, 1, 2}) record.remember(generation(number));
  std::vector<std::uint64_t> numbers;
  for (const GenerationRecord& kept : record.history) numbers.push_back(kept.number);
  CHECK(numbers == std::vector<std::uint64_t>{1, 2, 3});
}

TEST_CASE("going to and fro between two codes costs no other one its place among the kept") {
  AppRecord record;
  const std::vector<std::string> codes{"a", "b", "c", "d", "e", "f", "e", "f", "e", "f", "e", "f"};
  for (std::size_t i = 0; i < codes.size(); ++i) record.remember(that_served(i + 1, codes[i]));
  record.active = SnapshotMark{12, "f", ""};
  CHECK(record.snapshots_to_keep(3) == std::vector<std::string>{"f", "e", "d", "c"});
  record.pinned = SnapshotMark{1, "a", ""};
  CHECK(record.snapshots_to_keep(3) == std::vector<std::string>{"f", "a", "e", "d", "c"});
  record.history[3].activated = {};
  CHECK(record.snapshots_to_keep(3) == std::vector<std::string>{"f", "a", "e", "c", "b"});
}

TEST_CASE("of too many generations that served those go first whose code a newer one has") {
  AppRecord record;
  for (std::uint64_t number = 1; number <= AppRecord::kHistory; ++number)
    record.remember(that_served(number, number < 4 ? std::string(number, 'x') : "same"));
  record.remember(that_served(AppRecord::kHistory + 1, "new"));
  REQUIRE(record.history.size() == AppRecord::kHistory);
  CHECK(record.history[2].number == 3);
  CHECK(record.history[3].number == 5);  // 4 has gone
  record.history[1].snapshot.clear();
  record.remember(that_served(AppRecord::kHistory + 2, "newer"));
  CHECK(record.history[1].number == 3);
}

TEST_CASE("of too many generations those that never served are forgotten first") {
  AppRecord record;
  GenerationRecord served = generation(1);
  served.activated = at(1);
  record.remember(served);
  for (std::uint64_t number = 2; number <= AppRecord::kHistory + 5; ++number)
    record.remember(generation(number));
  CHECK(record.history.size() == AppRecord::kHistory);
  CHECK(record.history[0].number == 1);
  CHECK(record.history[1].number == 7);
}
