#include "ipc/base/log_writer.h"

#include "ipc/base/fd.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

using namespace moult;

namespace {

std::string confess(std::uint64_t lines) { return fmt::format("({} lost)\n", lines); }

// The sum of what is told lost in there.
std::uint64_t confessed(const std::string& text) {
  std::uint64_t sum = 0;
  for (std::size_t at = text.find('('); at != std::string::npos; at = text.find('(', at + 1))
    sum += std::stoull(text.substr(at + 1));
  return sum;
}

// Reads until the writer's end is closed.
std::string all_of(const Fd& fd) {
  std::string text;
  char buffer[65536];
  for (ssize_t count = 1; count > 0;) {
    count = ::read(fd.get(), buffer, sizeof buffer);
    if (count > 0) text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/moult-log-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return path + "/" + name; }
};

Fd open_log(const std::string& path) {
  return Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
}

}  // namespace

TEST_CASE("lines are written in their order, and all of them before the end") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  std::string expected;
  {
    LogWriter writer(pipe->write.get(), {}, confess);
    for (int i = 0; i < 1000; ++i) {
      const std::string line = fmt::format("line {}\n", i);
      writer.add(line);
      expected += line;
    }
  }
  pipe->write.reset();
  CHECK(all_of(pipe->read) == expected);
}

TEST_CASE("nobody waits for a reader who takes nothing, and what was lost is told when he goes on") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  const std::string line = std::string(999, 'x') + "\n";
  auto writer = std::make_unique<LogWriter>(pipe->write.get(), LogWriter::Limits{.waiting = 10'000}, confess);
  constexpr int kLines = 500;  // the pipe takes 65, the queue and the thread's hands 10 each
  for (int i = 0; i < kLines; ++i) writer->add(line);
  const std::uint64_t dropped = writer->dropped();
  CHECK(dropped > 300);
  CHECK(dropped < kLines);
  std::string text;
  // In one line, or in more when the thread came late to a pipe with room. The alarm of ctest is the
  // deadline.
  while (confessed(text) < dropped || text.back() != '\n') {
    char buffer[65536];
    const ssize_t count = ::read(pipe->read.get(), buffer, sizeof buffer);
    REQUIRE(count > 0);
    text.append(buffer, static_cast<std::size_t>(count));
  }
  CHECK(confessed(text) == dropped);
  writer->add("and on\n");
  writer.reset();
  pipe->write.reset();
  CHECK(all_of(pipe->read).find("and on\n") != std::string::npos);
}

TEST_CASE("the end does not wait for ever either") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  std::signal(SIGPIPE, SIG_IGN);  // as each main does
  const SteadyTime before = Steady::now();
  {
    // Left open: its thread goes on for a while.
    LogWriter writer(pipe->write.release(), {.at_the_end = Milliseconds(50)}, confess);
    for (int i = 0; i < 100; ++i) writer.add(std::string(9'999, 'x') + "\n");
  }
  CHECK(Steady::now() - before < Seconds(20));
  pipe->read.reset();  // the thread gets EPIPE and ends
}

TEST_CASE("a file is rotated at its size, and one that was moved away is made again") {
  const Folder folder;
  const std::string path = folder.file("moultd.log");
  const Fd fd = open_log(path);
  const std::string line = std::string(99, 'x') + "\n";
  {
    LogWriter writer(fd.get(), {.file = 1'000}, confess);
    for (int i = 0; i < 95; ++i) writer.add(line);
  }
  CHECK(std::filesystem::file_size(path) + std::filesystem::file_size(path + ".1") <= 2 * 4'096);
  CHECK(std::filesystem::exists(path + ".1"));
  std::filesystem::rename(path, folder.file("old"));
  {
    LogWriter writer(open_log(path).release(), {}, confess);  // it knows the path from its start
    writer.add("one\n");
    std::filesystem::rename(path, folder.file("away"));
    writer.reopen();
    writer.add("two\n");
  }
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("a descriptor that takes nothing at all costs lines, not time") {
  const Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  REQUIRE(full);
  LogWriter writer(full.get(), {}, confess);
  for (int i = 0; i < 100; ++i) writer.add("line\n");
  CHECK(writer.dropped() <= 100);
}
