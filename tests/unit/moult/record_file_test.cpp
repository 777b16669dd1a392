#include "daemon/moult/record_file.h"

#include "ipc/base/fd.h"
#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

using namespace moult;

namespace {

// The state file of one app in a private folder, with a real loop.
struct Bench {
  TempTree temp;
  uv::Loop loop;
  std::vector<std::string> problems;
  std::unique_ptr<RecordFile> file;

  Bench() { reopen(); }
  void reopen() {
    file = std::make_unique<RecordFile>(loop, temp.path("blog"),
                                        [this](const Error& error) { problems.push_back(error.message); });
  }
  AppRecord read() {
    FoundRecord found = read_record(temp.path("blog"));
    if (found.problem) problems.push_back(found.problem->message);
    return found.record;
  }
  void wait() {
    bool saved = false;
    file->when_saved([&] {
      saved = true;
      loop.stop();
    });
    if (!saved) loop.run();
    REQUIRE(saved);
  }
  std::string text() const { return read_file(temp.path("blog/state.json")).value_or(""); }
};

AppRecord numbered(std::uint64_t next) {
  AppRecord record;
  record.next_generation = next;
  return record;
}

}  // namespace

TEST_CASE("whoever waits for a record is called when the file has it, and not before") {
  Bench bench;
  bench.file->save(numbered(2));
  bench.file->save(numbered(3));
  AppRecord last = numbered(4);
  last.stopped = true;
  bench.file->save(last);
  bench.wait();
  CHECK(bench.text() == encode_record(last));
  CHECK(bench.read().next_generation == 4);
  CHECK(bench.problems.empty());
  bool at_once = false;
  bench.file->when_saved([&] { at_once = true; });
  CHECK(at_once);
}

TEST_CASE("a record that is saved while another is written follows it, also when its owner goes") {
  Bench bench;
  bench.file->save(numbered(2));
  bench.file->save(numbered(3));
  bool called = false;
  bench.file->when_saved([&] { called = true; });
  bench.file.reset();
  CHECK(called);
  bench.loop.run();
  CHECK(bench.text() == encode_record(numbered(3)));
}

TEST_CASE("of an app that was removed nothing more is written") {
  Bench bench;
  bench.file->save(numbered(2));
  bench.wait();
  bench.file->forget();
  bench.file->save(numbered(3));
  bench.wait();
  CHECK(bench.text() == encode_record(numbered(2)));
}

TEST_CASE("a state that cannot be saved is told once, and nobody waits for it for ever") {
  Bench bench;
  bench.temp.write("blog", "a file where the folder should be");
  bench.file->save(numbered(2));
  bench.wait();
  bench.file->save(numbered(3));
  bench.wait();
  REQUIRE(bench.problems.size() == 1);
  CHECK(bench.problems[0].find("could not be saved: ") != std::string::npos);
  CHECK(bench.problems[0].find(bench.temp.path("blog")) != std::string::npos);
}

TEST_CASE("an app without a state file is a new one, and nothing is wrong with it") {
  Bench bench;
  CHECK(bench.read().next_generation == 1);
  CHECK(bench.problems.empty());
}

TEST_CASE("a damaged state file is told of with its name and kept, and numbers go on where it says") {
  Bench bench;
  const std::string damaged = "{\"version\": 1, \"next_generation\": 14, \"active\": {";
  bench.temp.write("blog/state.json", damaged);
  const AppRecord record = bench.read();
  CHECK(record.next_generation == 14);
  CHECK(record.history.empty());
  REQUIRE(bench.problems.size() == 1);
  CHECK(bench.problems[0].find(bench.temp.path("blog/state.json") + ": ") == 0);
  CHECK(bench.problems[0].find("kept as " + bench.temp.path("blog/state.json.damaged")) != std::string::npos);
  CHECK(read_file(bench.temp.path("blog/state.json.damaged")).value_or("") == damaged);
  CHECK_FALSE(std::filesystem::exists(bench.temp.path("blog/state.json")));
}

TEST_CASE("a state file that cannot be read is kept too, and not written over") {
  Bench bench;
  bench.temp.folder("blog/state.json");
  CHECK(bench.read().next_generation == 1);
  REQUIRE(bench.problems.size() == 1);
  CHECK(bench.problems[0].find(bench.temp.path("blog/state.json") + ": Is a directory") == 0);
  CHECK(std::filesystem::exists(bench.temp.path("blog/state.json.damaged")));
  bench.file->save(numbered(2));
  bench.wait();
  CHECK(bench.text() == encode_record(numbered(2)));
}

TEST_CASE("a number that was cut off, or makes no sense, is none") {
  CHECK(numbering_of_damaged("{\"next_generation\": 14,") == 14);
  CHECK(numbering_of_damaged("{\"next_generation\": 14") == 1);
  CHECK(numbering_of_damaged("{\"next_generation\": -5}") == 1);
  CHECK(numbering_of_damaged("{\"next_generation\": 99999999999999999999}") == 1);
  CHECK(numbering_of_damaged("{\"next_generation\": \"x\"}") == 1);
  CHECK(numbering_of_damaged("{") == 1);
}

TEST_CASE("what a killed daemon had half written is removed, and nothing else") {
  Bench bench;
  bench.temp.write("blog/state.json", encode_record(numbered(7)));
  bench.temp.write("blog/state.json.aB3xYz", "{");
  bench.temp.write("blog/state.json.damaged", "{");
  bench.temp.write("blog/state.json.a-b.cd", "mine");
  bench.temp.folder("blog/state.json.folder");
  bench.temp.write("elsewhere", "mine");
  bench.temp.link("../elsewhere", "blog/state.json.aB3xYl");
  CHECK(bench.read().next_generation == 7);
  CHECK_FALSE(std::filesystem::exists(bench.temp.path("blog/state.json.aB3xYz")));
  for (const char* kept :
       {"state.json", "state.json.damaged", "state.json.a-b.cd", "state.json.folder", "state.json.aB3xYl"}) {
    CAPTURE(kept);
    CHECK(std::filesystem::exists(bench.temp.path("blog/" + std::string(kept))));
  }
}
