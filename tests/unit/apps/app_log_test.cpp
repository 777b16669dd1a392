#include "daemon/apps/app_log.h"

#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace moult;

namespace {

WallTime at(long long milliseconds) { return WallTime(Milliseconds(1'790'000'000'000LL + milliseconds)); }

LogLine line(std::string text, std::uint64_t generation = 3) {
  return {at(0), generation, "stdout", std::move(text)};
}

std::string content(const std::string& file) {
  const auto text = read_file(file);
  return text ? *text : "(no file)";
}

std::vector<std::string> texts(const AppLog& log) {
  std::vector<std::string> found;
  for (const LogLine& one : log.lines()) found.push_back(one.text);
  return found;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a line of the log is its time, generation, stream and text") {
  CHECK(to_text({at(123), 14, "stderr", "it broke"}) == "2026-09-21T14:13:20.123Z [14] stderr: it broke");
}

TEST_CASE("what is written is read back as it was") {
  for (const char* text : {"hello", "", " ", "    File \"app.py\", line 3", "\ttab", "a: b [3] stdout: c",
                           "trailing  ", "\xc3\xa9\xff"}) {
    for (const char* stream : {"stdout", "stderr", "log", "moult", "warnings"}) {
      for (const std::uint64_t generation : {0ULL, 1ULL, 18'446'744'073'709'551'615ULL}) {
        const LogLine written{at(7), generation, stream, text};
        CAPTURE(to_text(written));
        LogLine read;
        REQUIRE(parse_log_line(to_text(written), read));
        CHECK(read.time == written.time);
        CHECK(read.generation == written.generation);
        CHECK(read.stream == written.stream);
        CHECK(read.text == written.text);
      }
    }
  }
}

TEST_CASE("a text longer than what the parser looks at is read back whole") {
  const LogLine written = line(std::string(4000, 'x'));
  LogLine read;
  REQUIRE(parse_log_line(to_text(written), read));
  CHECK(read.text == written.text);
}

TEST_CASE("what is no line of ours is refused") {
  LogLine read;
  for (const char* text :
       {"", "hello", "2026-09-21", "2026-09-21T14:13:20.123Z", "2026-09-21T14:13:20.123Z [3]",
        "2026-09-21T14:13:20.123Z [3] stdout", "2026-09-21T14:13:20.123Z [x] stdout: y",
        "2026-09-21 14:13:20.123Z [3] stdout: y", "2026-09-21T14:13:20.123Z [3] STDOUT: y"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_log_line(text, read));
  }
}

TEST_CASE("the rest of a line that was cut at its front is refused") {
  const std::string whole = to_text(line("x"));
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    LogLine read;
    CAPTURE(whole.substr(cut));
    CHECK_FALSE(parse_log_line(whole.substr(cut), read));
  }
}

TEST_CASE("lines are written to the file and kept in memory, in their order") {
  const TempTree temp;
  uv::Loop loop;
  AppLog log(loop, temp.path("app.log"), last_lines(temp.path("app.log")), 1 << 20, 3);
  for (int i = 0; i < 100; ++i) log.add(line(std::to_string(i)));
  loop.run();
  std::string expected;
  for (int i = 0; i < 100; ++i) expected += to_text(line(std::to_string(i))) + "\n";
  CHECK(content(log.file()) == expected);
  CHECK(log.lines().size() == 100);
  CHECK(log.dropped() == 0);
}

TEST_CASE("the last lines of an earlier daemon are there again, and those it cannot read are left out") {
  const TempTree temp;
  temp.write("app.log",
             to_text(line("old")) + "\nnoise\n" + to_text(line("  indented", 4)) + "\n" + "2026-09-21T14");
  uv::Loop loop;
  const AppLog log(loop, temp.path("app.log"), last_lines(temp.path("app.log")), 1 << 20, 3);
  CHECK(texts(log) == Texts{"old", "  indented"});
  CHECK(log.lines().back().generation == 4);
}

TEST_CASE("of a long log only the end is read") {
  const TempTree temp;
  std::string text;
  for (int i = 0; i < 5000; ++i) text += to_text(line(std::to_string(i))) + "\n";
  temp.write("app.log", text);
  uv::Loop loop;
  const AppLog log(loop, temp.path("app.log"), last_lines(temp.path("app.log")), 1 << 20, 3);
  REQUIRE_FALSE(log.lines().empty());
  CHECK(log.lines().size() <= AppLog::kKept);
  CHECK(log.lines().back().text == "4999");
  for (const LogLine& one : log.lines()) CHECK(one.time == at(0));
}

TEST_CASE("in memory the oldest lines make room") {
  const TempTree temp;
  uv::Loop loop;
  AppLog log(loop, temp.path("app.log"), last_lines(temp.path("app.log")), 1 << 20, 3);
  for (std::size_t i = 0; i < AppLog::kKept + 5; ++i) log.add(line(std::to_string(i)));
  CHECK(log.lines().size() == AppLog::kKept);
  CHECK(log.lines().front().text == "5");
}

TEST_CASE("a log that would grow too large is rotated, and so many old ones are kept") {
  const TempTree temp;
  uv::Loop loop;
  AppLog log(loop, temp.path("app.log"), last_lines(temp.path("app.log")), 100, 2);
  for (const char* text : {"one", "two", "three", "four"}) {
    log.add(line(std::string(text) + std::string(60, '.')));
    loop.run();
  }
  CHECK(content(temp.path("app.log")).find("four") != std::string::npos);
  CHECK(content(temp.path("app.log.1")).find("three") != std::string::npos);
  CHECK(content(temp.path("app.log.2")).find("two") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(temp.path("app.log.3")));
}

TEST_CASE("with none to keep a rotated log is thrown away") {
  const TempTree temp;
  uv::Loop loop;
  AppLog log(loop, temp.path("app.log"), last_lines(temp.path("app.log")), 100, 0);
  for (const char* text : {"one", "two"}) {
    log.add(line(std::string(text) + std::string(60, '.')));
    loop.run();
  }
  CHECK(content(temp.path("app.log")).find("two") != std::string::npos);
  CHECK(content(temp.path("app.log")).find("one") == std::string::npos);
  CHECK_FALSE(std::filesystem::exists(temp.path("app.log.1")));
}

TEST_CASE("a single line larger than the limit is written all the same") {
  const TempTree temp;
  uv::Loop loop;
  AppLog log(loop, temp.path("app.log"), last_lines(temp.path("app.log")), 10, 2);
  log.add(line("larger than ten bytes"));
  loop.run();
  CHECK(content(temp.path("app.log")) == to_text(line("larger than ten bytes")) + "\n");
  CHECK_FALSE(std::filesystem::exists(temp.path("app.log.1")));
}

TEST_CASE("new limits hold from the next write on") {
  const TempTree temp;
  uv::Loop loop;
  AppLog log(loop, temp.path("app.log"), last_lines(temp.path("app.log")), 1 << 20, 2);
  log.add(line(std::string(100, 'a')));
  loop.run();
  log.set_limits(50, 1);
  log.add(line(std::string(100, 'b')));
  loop.run();
  CHECK(content(temp.path("app.log.1")).find("aaa") != std::string::npos);
}

TEST_CASE("lines that come faster than the disk takes them are dropped, and the log says how many") {
  const TempTree temp;
  uv::Loop loop;
  AppLog log(loop, temp.path("app.log"), last_lines(temp.path("app.log")), 64 << 20, 2);
  // The first line is being written; nothing more is written before the loop runs.
  const std::string text(4000, 'x');
  for (int i = 0; i < 300; ++i) log.add(line(text));
  const std::uint64_t dropped = log.dropped();
  CHECK(dropped > 0);
  loop.run();
  log.add(line("after"));
  loop.run();
  CHECK(log.dropped() == dropped);
  const std::string written = content(log.file());
  CHECK(written.size() < AppLog::kBufferMax + 10'000);
  CHECK(written.find("[0] moult: " + std::to_string(dropped) + " lines dropped here\n") != std::string::npos);
  CHECK(written.ends_with("after\n"));
}

TEST_CASE("the end of the log hands over what is left") {
  const TempTree temp;
  uv::Loop loop;
  {
    AppLog log(loop, temp.path("app.log"), last_lines(temp.path("app.log")), 1 << 20, 2);
    log.add(line("first"));
    log.add(line("last"));
  }
  loop.run();
  const std::string written = content(temp.path("app.log"));
  CHECK(written.find("first\n") != std::string::npos);
  CHECK(written.find("last\n") != std::string::npos);
}

TEST_CASE("a folder that is not there costs the file and nothing else") {
  uv::Loop loop;
  Texts problems;
  AppLog log(loop, "/nonexistent/folder/app.log", {}, 1 << 20, 2,
             [&](const Error& error) { problems.push_back(error.message); });
  log.add(line("kept in memory"));
  loop.run();
  log.add(line("and this"));
  loop.run();
  CHECK(texts(log) == Texts{"kept in memory", "and this"});
  CHECK(log.dropped() >= 2);
  CHECK(problems ==
        Texts{"the app's log cannot be written: /nonexistent/folder/app.log: No such file or directory"});
  CHECK(log.problem() == "/nonexistent/folder/app.log: No such file or directory");
}

TEST_CASE("followers see each line until they leave") {
  const TempTree temp;
  uv::Loop loop;
  AppLog log(loop, temp.path("app.log"), last_lines(temp.path("app.log")), 1 << 20, 2);
  Texts first;
  Texts second;
  const int id = log.follow([&](const LogLine& one) { first.push_back(one.text); });
  log.follow([&](const LogLine& one) { second.push_back(one.text); });
  log.add(line("a"));
  log.unfollow(id);
  log.add(line("b"));
  CHECK(first == Texts{"a"});
  CHECK(second == Texts{"a", "b"});
}

TEST_CASE("a follower may leave while it is told, and the others miss nothing") {
  const TempTree temp;
  uv::Loop loop;
  AppLog log(loop, temp.path("app.log"), last_lines(temp.path("app.log")), 1 << 20, 2);
  Texts seen;
  int id = 0;
  id = log.follow([&](const LogLine&) { log.unfollow(id); });
  log.follow([&](const LogLine& one) { seen.push_back(one.text); });
  log.add(line("a"));
  log.add(line("b"));
  CHECK(seen == Texts{"a", "b"});
}

TEST_CASE("a text of several lines stays one line of the file") {
  const TempTree temp;
  uv::Loop loop;
  AppLog log(loop, temp.path("app.log"), last_lines(temp.path("app.log")), 1 << 20, 2);
  log.add(line("first\n2026-09-21T14:13:20.123Z [9] moult: forged"));
  loop.run();
  const std::string written = content(log.file());
  CHECK(std::count(written.begin(), written.end(), '\n') == 1);
}
