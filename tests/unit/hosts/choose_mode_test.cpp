#include "daemon/hosts/python_info.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace moult;

namespace {

PythonInfo python(int minor, int micro) {
  PythonInfo info;
  info.major = 3;
  info.minor = minor;
  info.micro = micro;
  return info;
}

PythonInfo not_final(PythonInfo info) {
  info.final_release = false;
  return info;
}

PythonInfo free_threaded(PythonInfo info) {
  info.free_threaded = true;
  return info;
}

std::string mode_of(const PythonInfo& info, GilMode gil, Isolation isolation, Verdict verdict) {
  const auto mode = choose_mode(info, gil, isolation, verdict);
  if (mode) return std::string(to_string(*mode));
  CHECK(mode.error().code == ErrorCode::config_invalid);
  CHECK_FALSE(mode.error().hint.empty());
  return "error";
}

// What one Python gives, for isolation = auto, auto with the verdict needs_process, interpreter,
// and process (the last two whatever the verdict is).
struct Row {
  PythonInfo python;
  GilMode gil;
  std::string automatic, needs_process, interpreter, process;
};

constexpr GilMode kGilAuto = GilMode::automatic;
constexpr GilMode kOwn = GilMode::own;
constexpr GilMode kShared = GilMode::shared;

}  // namespace

TEST_CASE("every Python, gil, isolation and verdict gives the mode of the table") {
  const std::vector<Row> rows{
      {python(11, 2), kGilAuto, "shared", "main", "shared", "main"},
      {python(11, 2), kShared, "shared", "main", "shared", "main"},
      {python(11, 2), kOwn, "error", "error", "error", "main"},
      {python(12, 0), kGilAuto, "main", "main", "shared", "main"},
      {python(12, 9), kShared, "shared", "main", "shared", "main"},
      {python(12, 9), kOwn, "error", "error", "error", "main"},
      {python(13, 5), kGilAuto, "strict", "main", "strict", "main"},
      {python(13, 5), kShared, "strict", "main", "strict", "main"},
      {python(13, 5), kOwn, "error", "error", "error", "main"},
      {python(14, 3), kGilAuto, "strict", "main", "strict", "main"},
      {python(14, 3), kShared, "strict", "main", "strict", "main"},
      {python(14, 3), kOwn, "error", "error", "error", "main"},
      {python(14, 4), kGilAuto, "own", "main", "own", "main"},
      {python(14, 4), kShared, "strict", "main", "strict", "main"},
      {python(14, 4), kOwn, "own", "main", "own", "main"},
      {python(15, 0), kGilAuto, "own", "main", "own", "main"},
      {python(15, 0), kShared, "strict", "main", "strict", "main"},
      {python(15, 0), kOwn, "own", "main", "own", "main"},
      {not_final(python(15, 0)), kGilAuto, "strict", "main", "strict", "main"},
      {not_final(python(15, 0)), kShared, "strict", "main", "strict", "main"},
      {not_final(python(15, 0)), kOwn, "error", "error", "error", "main"},
      {free_threaded(python(13, 5)), kGilAuto, "main", "main", "error", "main"},
      {free_threaded(python(14, 4)), kGilAuto, "main", "main", "error", "main"},
      {free_threaded(python(14, 4)), kShared, "main", "main", "error", "main"},
      {free_threaded(python(14, 4)), kOwn, "error", "error", "error", "main"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.python.version());
    CAPTURE(row.python.final_release);
    CAPTURE(row.python.free_threaded);
    CAPTURE(static_cast<int>(row.gil));
    CHECK(mode_of(row.python, row.gil, Isolation::automatic, Verdict::none) == row.automatic);
    CHECK(mode_of(row.python, row.gil, Isolation::automatic, Verdict::needs_process) == row.needs_process);
    for (const Verdict verdict : {Verdict::none, Verdict::needs_process}) {
      CHECK(mode_of(row.python, row.gil, Isolation::interpreter, verdict) == row.interpreter);
      CHECK(mode_of(row.python, row.gil, Isolation::process, verdict) == row.process);
    }
  }
}

TEST_CASE("own GIL where it is unsafe is refused with the reason for that very Python") {
  const auto reason = [](const PythonInfo& info) {
    const auto mode = choose_mode(info, GilMode::own, Isolation::automatic, Verdict::none);
    REQUIRE_FALSE(mode);
    CHECK(mode.error().hint == "leave gil = \"auto\", or use isolation = \"process\"");
    return mode.error().message;
  };
  CHECK(reason(python(11, 2)) ==
        "gil = \"own\" is not safe on Python 3.11.2: it has one GIL for all interpreters");
  CHECK(reason(python(12, 3)).find("datetime aborts the process") != std::string::npos);
  CHECK(reason(python(13, 5)).find("gh-136421") != std::string::npos);
  CHECK(reason(python(14, 3)).find("3.14.4 is the first release") != std::string::npos);
  CHECK(reason(not_final(python(15, 0))).find("Python 3.15.0") != std::string::npos);
  CHECK(reason(free_threaded(python(14, 4))).find("free-threaded build") != std::string::npos);
}

TEST_CASE("a mode is called own, shared or process to people") {
  CHECK(isolation_word(InterpreterMode::own) == "own");
  CHECK(isolation_word(InterpreterMode::strict) == "shared");
  CHECK(isolation_word(InterpreterMode::shared) == "shared");
  CHECK(isolation_word(InterpreterMode::main) == "process");
}

TEST_CASE("versions are compared by number, not by text") {
  CHECK(python(9, 20).at_least(3, 9, 5));
  CHECK_FALSE(python(9, 20).at_least(3, 10));
  CHECK(python(14, 10).at_least(3, 14, 4));
  CHECK_FALSE(python(14, 3).at_least(3, 14, 4));
}
