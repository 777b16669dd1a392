// What a host, its children or its apps send without end: a round of the loop takes a bounded part of it.

#include "tests/unit/hosts/host_bench.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <algorithm>

using namespace moult;
using namespace moult::test;

namespace {

struct Counting : InterpreterListener {
  void on_event(const HostEvent&) override {
    ++events;
    if (on_first && events == 1) on_first();
  }
  void on_host_gone(const std::string&) override {}

  int events = 0;
  std::function<void()> on_first;
};

std::size_t in_pipe(const Fd& end) {
  int bytes = 0;
  REQUIRE(::ioctl(end.get(), FIONREAD, &bytes) == 0);
  return static_cast<std::size_t>(bytes);
}

// Writes lines until the pipe is full; how many bytes.
std::size_t fill(const Fd& end) {
  REQUIRE(set_nonblocking(end));
  const std::string lines(4096, '\n');
  std::size_t written = 0;
  for (ssize_t count = 0; (count = ::write(end.get(), lines.data(), lines.size())) > 0;)
    written += static_cast<std::size_t>(count);
  return written;
}

MakeCommand make_of(const std::string& app, std::uint64_t generation) {
  MakeCommand command;
  command.app = app;
  command.generation = generation;
  return command;
}

}  // namespace

TEST_CASE("a round of the loop takes 16 KiB of a pipe that floods") {
  uv::Loop loop;
  auto pipe = make_pipe();
  REQUIRE(pipe);
  REQUIRE(set_nonblocking(pipe->read));
  const std::size_t filled = fill(pipe->write);
  REQUIRE(filled > 2 * 16 * 1024);
  const int other_end = ::fcntl(pipe->read.get(), F_DUPFD_CLOEXEC, 0);
  const Fd looked_at(other_end);
  std::vector<std::string> lines;
  {
    HostOutput output(
        loop, std::move(pipe->read),
        [&](std::string_view line) {
          if (lines.empty()) loop.stop();
          lines.emplace_back(line);
        },
        [] {});
    loop.run();
    CHECK(in_pipe(looked_at) == filled - 16 * 1024);
    CHECK(lines.size() == 2000);
    output.drain();
    CHECK(in_pipe(looked_at) == 0);
  }
  CHECK(lines.back().find(" lines of output dropped here: more than 1,000 in a second") != std::string::npos);
}

TEST_CASE("what children write is their app's and generation's, also when these are gone") {
  HostBench bench;
  Host& host = bench.start_host();
  Counting first;
  Counting second;
  host.make(make_of("blog", 7), {}, first);
  host.make(make_of("shop", 3), {}, second);
  auto pipe = make_pipe();
  REQUIRE(pipe);
  bench.part(host).send_with({{"event", "output"}, {"interp", 1}}, pipe->read);
  pipe->read = Fd();
  REQUIRE(::write(pipe->write.get(), "one\ntw", 6) == 6);
  bench.pump_until([&] { return bench.output.size() == 1; });
  host.forget(1);
  REQUIRE(::write(pipe->write.get(), "o\nend", 5) == 5);
  pipe->write = Fd();
  bench.pump_until([&] { return bench.output.size() == 3; });
  CHECK(bench.output == std::vector<std::string>{"one", "two", "end"});
  for (const OutputSource& source : bench.sources) {
    CHECK(source.app == "blog");
    CHECK(source.generation == 7);
  }
  bench.part(host).send({{"event", "exported"}, {"interp", 2}});
  bench.pump_until([&] { return second.events == 1; });
}

TEST_CASE("a round of the loop takes so many events of a host") {
  HostBench bench;
  Host& host = bench.start_host();
  Counting listener;
  listener.on_first = [&] { bench.loop.stop(); };
  host.make(make_of("blog", 1), {}, listener);
  bench.command_for(host);
  for (int i = 0; i < 150; ++i) bench.part(host).send({{"event", "exported"}, {"interp", 1}});
  bench.loop.run();
  CHECK(listener.events == 64);
  bench.pump_until([&] { return listener.events == 150; });
}

TEST_CASE(
    "an app that asks for reloads without end is heard for a while, and does not hide what else is told") {
  HostBench bench;
  Host& host = bench.start_host();
  Counting listener;
  host.make(make_of("blog", 1), {}, listener);
  bench.command_for(host);
  for (int i = 0; i < 200; ++i) bench.part(host).send({{"event", "asks"}, {"interp", 1}, {"what", "reload"}});
  for (int i = 0; i < 3; ++i) bench.part(host).send({{"event", "exported"}, {"interp", 1}});
  bench.pump_until([&] { return listener.events >= 103; });
  bench.pump();
  CHECK(listener.events < 150);
}
