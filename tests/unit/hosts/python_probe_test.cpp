#include "daemon/hosts/python_info.h"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

using namespace moult;

namespace {

constexpr const char* kSuffix = ".cpython-311-x86_64-linux-gnu.so";

// What the probe prints, with one line changed.
std::string answer(std::size_t line = 99, const std::string& text = {}) {
  std::vector<std::string> lines{"moult-probe", "/usr/bin/python3.11", "3", "11", "2", "final", kSuffix, "0"};
  if (line < lines.size()) lines[line] = text;
  std::string output;
  for (const std::string& each : lines) output += each + "\n";
  return output;
}

Error refused(const std::string& output) {
  const auto info = parse_probe(output, "/opt/py/bin/python");
  REQUIRE_FALSE(info);
  return info.error();
}

bool is_no_answer(const std::string& output) {
  const Error error = refused(output);
  return error.code == ErrorCode::failed &&
         error.message == "/opt/py/bin/python did not answer like a Python 3" && error.detail == output;
}

// Asks for `executable` that many times at once and waits for the answers.
std::vector<Result<PythonInfo>> ask(const std::string& executable, int times = 1) {
  uv::Loop loop;
  PythonProbes probes(loop);
  std::vector<Result<PythonInfo>> answers;
  for (int i = 0; i < times; ++i) {
    probes.ask(executable, [&](Result<PythonInfo> info) { answers.push_back(std::move(info)); });
  }
  loop.run();
  return answers;
}

}  // namespace

TEST_CASE("the answer of a Python is read into its facts") {
  const auto info = parse_probe(answer(), "python3");
  REQUIRE(info);
  CHECK(info->executable == "/usr/bin/python3.11");
  CHECK(info->version() == "3.11.2");
  CHECK(info->final_release);
  CHECK_FALSE(info->free_threaded);
  CHECK(info->suffix == kSuffix);
}

TEST_CASE("pre-releases and free-threaded builds are told apart") {
  const auto alpha = parse_probe(answer(5, "alpha"), "python3");
  REQUIRE(alpha);
  CHECK_FALSE(alpha->final_release);
  const auto free = parse_probe(answer(7, "1"), "python3");
  REQUIRE(free);
  CHECK(free->free_threaded);
}

TEST_CASE("a missing newline at the end of the answer does no harm") {
  std::string output = answer();
  output.pop_back();
  CHECK(parse_probe(output, "python3"));
}

TEST_CASE("a path with spaces and bytes that are no UTF-8 is kept as it is") {
  const auto info = parse_probe(answer(1, "/opt/my py\xff/python"), "python3");
  REQUIRE(info);
  CHECK(info->executable == "/opt/my py\xff/python");
}

TEST_CASE("a Python that is too old is a config error that says what is needed") {
  const Error error = refused(answer(3, "10"));
  CHECK(error.code == ErrorCode::config_invalid);
  CHECK(error.message == "/opt/py/bin/python is Python 3.10.2; Moult needs 3.11 or later");
  CHECK(refused(answer(2, "2")).code == ErrorCode::config_invalid);
}

TEST_CASE("an answer with lines too few or too many is none") {
  CHECK(is_no_answer(""));
  CHECK(is_no_answer("\n"));
  CHECK(is_no_answer("moult-probe\n"));
  CHECK(is_no_answer("Hello from sitecustomize\n" + answer()));
  CHECK(is_no_answer(answer() + "bye\n"));
  CHECK(is_no_answer(answer(1, "/opt/evil\n/usr/bin/python3")));
  CHECK(is_no_answer(answer().substr(0, answer().size() - 2)));
  CHECK(is_no_answer(answer(0, "moult-probe ")));
}

TEST_CASE("an answer whose numbers are no numbers is none") {
  for (const char* text : {"", "x", "3x", "-3", " 3", "0x3", "99999999999999999999"}) {
    CAPTURE(text);
    CHECK(is_no_answer(answer(2, text)));
    CHECK(is_no_answer(answer(3, text)));
    CHECK(is_no_answer(answer(4, text)));
  }
}

TEST_CASE("an answer with a relative executable or a suffix that is no suffix is none") {
  CHECK(is_no_answer(answer(1, "")));
  CHECK(is_no_answer(answer(1, "python3")));
  CHECK(is_no_answer(answer(6, "")));
  CHECK(is_no_answer(answer(6, "so")));
  CHECK(is_no_answer(answer(6, "/../../tmp/x.so")));
}

TEST_CASE("noise of any kind is no answer and no crash") {
  CHECK(is_no_answer(std::string(65536, 'x')));
  CHECK(is_no_answer(std::string(65536, '\n')));
  CHECK(is_no_answer(std::string("moult-probe\0/usr/bin/python3\n3\n11\n2\nfinal\n.so\n0\n", 49)));
}

TEST_CASE("a program that is no Python is asked in vain") {
  const auto silent = ask("/bin/true");
  REQUIRE(silent.size() == 1);
  CHECK_FALSE(silent[0]);
  const auto talking = ask("/bin/echo");
  REQUIRE_FALSE(talking[0]);
  CHECK(talking[0].error().detail.starts_with("-I -S -c"));
}

TEST_CASE("an executable that is not there is an error and not a wait") {
  const auto answers = ask("/nonexistent/python3");
  REQUIRE(answers.size() == 1);
  CHECK_FALSE(answers[0]);
}

TEST_CASE("several questions for one executable are answered by one probe, in their order") {
  const auto answers = ask("/bin/echo", 3);
  CHECK(answers.size() == 3);
}

TEST_CASE("the app's own python comes first, then its venv's") {
  AppConfig app;
  app.venv = "/srv/venv";
  CHECK(python_of(app) == "/srv/venv/bin/python");
  app.python = "/opt/python3.14";
  CHECK(python_of(app) == "/opt/python3.14");
}
