#include "ipc/base/log.h"

#include "ipc/base/fd.h"

#include <doctest/doctest.h>

#include <unistd.h>
#include <functional>
#include <string>

using namespace moult;

namespace {

// What `write` writes to stderr.
std::string written(const std::function<void()>& write) {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  const int kept = ::dup(STDERR_FILENO);
  ::dup2(pipe->write.get(), STDERR_FILENO);
  write();
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
  char text[4096];
  const ssize_t size = ::read(pipe->read.get(), text, sizeof text);
  return {text, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

// Without its time.
std::string rest_of(const std::string& line) { return line.substr(line.find(' ') + 1); }

}  // namespace

TEST_CASE("human lines end in keys and values, brief ones do not") {
  Log log(Log::Format::human);
  const auto line = [&] { return rest_of(written([&] { log.warning("slow", {{"app", "blog"}}); })); };
  CHECK(line() == "warning: slow app=blog\n");
  log.make_brief();
  CHECK(log.is_brief());
  CHECK(line() == "warning: slow\n");
}

TEST_CASE("a line of an app stands as it is among brief lines, and is a line like others elsewhere") {
  Log log(Log::Format::human);
  const auto line = [](Log& to) {
    return written([&] { to.print("  File \"app.py\"", {{"app", "blog"}}); });
  };
  CHECK(rest_of(line(log)) == "  File \"app.py\" app=blog\n");
  log.make_brief();
  CHECK(line(log) == "  File \"app.py\"\n");
  Log json(Log::Format::json);
  json.make_brief();
  CHECK_FALSE(json.is_brief());
  CHECK(line(json).find(R"("message":"  File \"app.py\"","app":"blog"})") != std::string::npos);
}

TEST_CASE("numbers are numbers in a JSON log, and what is none has quotes") {
  Log json(Log::Format::json);
  const std::string line = written([&] {
    json.warning("slow", {{"host", 3}, {"seconds", 0.25}, {"cut", true}, {"app", std::string("7")}});
  });
  CHECK(line.find(R"("message":"slow","host":3,"seconds":0.25,"cut":true,"app":"7"})") != std::string::npos);
}

TEST_CASE("one who asks for debug lines gets all of each line") {
  Log log(Log::Format::human, LogLevel::debug);
  log.make_brief();
  CHECK_FALSE(log.is_brief());
}
