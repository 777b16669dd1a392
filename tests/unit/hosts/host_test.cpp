#include "tests/unit/hosts/host_bench.h"

#include <signal.h>
#include <unistd.h>

using namespace moult;
using namespace moult::test;

namespace {

struct Listener final : InterpreterListener {
  void on_event(const HostEvent& event) override { events.push_back(event); }
  void on_host_gone(const std::string& how) override { gone.push_back(how); }
  std::vector<HostEvent> events;
  std::vector<std::string> gone;
};

// Has every warning and error of the daemon's log.
std::vector<std::string>& tap(HostBench& bench, std::vector<std::string>& lines) {
  bench.log.set_tap([&lines](LogLevel, std::string_view text) { lines.emplace_back(text); });
  return lines;
}

}  // namespace

TEST_CASE("a Python without a host module is an error that says how to build one") {
  HostBench bench;
  HostKey key = HostBench::key();
  key.python.suffix = ".cpython-399.so";
  Host host(bench.loop, bench.log, bench, 1, key);
  const auto started = host.start(bench.launcher);
  REQUIRE_FALSE(started);
  CHECK(started.error().code == ErrorCode::config_invalid);
  CHECK(started.error().hint.find("python3.11-dev") != std::string::npos);
  CHECK(started.error().detail == bench.temp.path("_moult_host.cpython-399.so") + " does not exist");
}

TEST_CASE("a host is ready when it says that it has booted, once") {
  HostBench bench;
  Host& host = bench.start_host();
  CHECK(host.state() == Host::State::starting);
  bench.part(host).send({{"event", "booted"}, {"python", "3.11.2"}});
  bench.part(host).send({{"event", "booted"}, {"python", "3.11.2"}});
  bench.pump_until([&] { return host.state() == Host::State::ready; });
  bench.pump();
  CHECK(bench.ready == 1);
}

TEST_CASE("an event goes to its interpreter, and one of a forgotten interpreter to nobody") {
  HostBench bench;
  Host& host = bench.start_host();
  Listener first;
  Listener second;
  const std::uint64_t one = host.make({}, {}, first);
  const std::uint64_t two = host.make({}, {}, second);
  CHECK(one != two);
  CHECK(host.interpreters() == 2);
  bench.part(host).send({{"event", "stack"}, {"interp", two}, {"text", "x"}});
  bench.pump_until([&] { return second.events.size() == 1; });
  CHECK(first.events.empty());
  host.forget(two);
  CHECK(bench.empty == 0);
  bench.part(host).send({{"event", "stack"}, {"interp", two}, {"text", "x"}});
  bench.part(host).send({{"event", "stack"}, {"interp", one}, {"text", "y"}});
  bench.pump_until([&] { return first.events.size() == 1; });
  CHECK(second.events.size() == 1);
  host.forget(one);
  CHECK(bench.empty == 1);
  host.forget(one);
  CHECK(bench.empty == 1);
}

TEST_CASE("what is no event of ours is logged, and the host goes on") {
  HostBench bench;
  std::vector<std::string> lines;
  tap(bench, lines);
  Host& host = bench.start_host();
  Listener listener;
  const std::uint64_t interp = host.make({}, {}, listener);
  for (const char* packet : {"not json", "{}", "[]", R"({"event": "hatched"})"})
    bench.part(host).send_text(packet);
  bench.part(host).send({{"event", "stack"}, {"interp", interp}});
  bench.pump_until([&] { return listener.events.size() == 1; });
  CHECK(lines.size() == 4);
}

TEST_CASE("a notice of the host itself is a warning in the daemon's log") {
  HostBench bench;
  std::vector<std::string> lines;
  bench.log.set_threshold(LogLevel::warning);
  tap(bench, lines);
  Host& host = bench.start_host();
  bench.part(host).send({{"event", "notice"}, {"interp", 0}, {"text", "no unshare here"}});
  bench.pump_until([&] { return !lines.empty(); });
  CHECK(lines[0] == "no unshare here");
}

TEST_CASE("the death of a host is told to its interpreters and to its owner, once, with how") {
  HostBench bench;
  Host& host = bench.start_host();
  Listener listener;
  host.make({}, {}, listener);
  REQUIRE(::kill(host.pid(), SIGKILL) == 0);
  bench.pump_until([&] { return !bench.ends.empty(); });
  CHECK(listener.gone == std::vector<std::string>{"was ended by signal 9 (Killed)"});
  CHECK(bench.ends == std::vector<std::string>{"was ended by signal 9 (Killed)"});
  CHECK(host.state() == Host::State::gone);
  CHECK(host.resident_bytes() == 0);
}

TEST_CASE("an exit that nobody asked for is no expected end, whatever its status") {
  for (const char status : {'\0', '\3'}) {
    HostBench bench;
    Host& host = bench.start_host();
    bench.part(host).exit(status);
    bench.pump_until([&] { return !bench.ends.empty(); });
    CHECK(bench.ends[0] == "exited with status " + std::to_string(static_cast<int>(status)));
  }
}

TEST_CASE("a host that is asked to leave gets one exit, and its end is expected") {
  HostBench bench;
  Host& host = bench.start_host();
  host.leave();
  host.leave();
  CHECK(bench.command_for(host).json == Json{{"do", "exit"}});
  CHECK_FALSE(bench.part(host).take());
  bench.part(host).exit(0);
  bench.pump_until([&] { return !bench.ends.empty(); });
  CHECK(bench.ends[0] == "exited with status 0 (expected)");
}

TEST_CASE("commands for a host that has gone are dropped") {
  HostBench bench;
  Host& host = bench.start_host();
  host.kill();
  bench.pump_until([&] { return !bench.ends.empty(); });
  Listener listener;
  host.make({}, {}, listener);
  host.retire(1, Seconds(1));
  host.drain(1);
  host.leave();
  host.kill();
  CHECK(host.state() == Host::State::gone);
}

TEST_CASE("commands wait in order while the host takes none") {
  HostBench bench;
  Host& host = bench.start_host();
  constexpr int kMany = 900;  // more than a socket holds, fewer than the host's bound
  for (int i = 0; i < kMany; ++i) host.interrupt(1, static_cast<std::uint64_t>(i));
  std::vector<int> calls;
  bench.pump_until([&] {
    while (const auto command = bench.part(host).take()) calls.push_back(command->json["call"]);
    return calls.size() == kMany;
  });
  CHECK(std::is_sorted(calls.begin(), calls.end()));
}

TEST_CASE("a host that takes no commands at all is killed when too many wait") {
  HostBench bench;
  std::vector<std::string> lines;
  tap(bench, lines);
  Host& host = bench.start_host();
  for (int i = 0; i < 3000; ++i) host.interrupt(1, static_cast<std::uint64_t>(i));
  bench.pump_until([&] { return !bench.ends.empty(); });
  CHECK(lines == std::vector<std::string>{"a host takes no commands"});
}

TEST_CASE("descriptors travel with their command, and ours are closed once they are sent") {
  HostBench bench;
  Host& host = bench.start_host();
  auto pipe = make_pipe();
  REQUIRE(pipe);
  Listener listener;
  std::vector<Fd> descriptors;
  descriptors.push_back(std::move(pipe->write));
  host.make({}, std::move(descriptors), listener);
  Command command = bench.command_for(host);
  REQUIRE(command.descriptors.size() == 1);
  REQUIRE(::write(command.descriptors[0].get(), "x", 1) == 1);
  command.descriptors.clear();
  char bytes[2];
  CHECK(::read(pipe->read.get(), bytes, 2) == 1);
  CHECK(::read(pipe->read.get(), bytes, 2) == 0);  // no writer is left
}

TEST_CASE("a host's environment is the C-level one of its key, and none of the daemon's own start") {
  ::setenv("MOULT_TEST_MARK", "1", 1);
  ::setenv("LC_ALL", "C", 1);
  HostBench bench;
  bench.temp.write("_moult_host.py",
                   "import os\n"
                   "def main(channel, *cache):\n"
                   "    for name in ('TZ', 'LC_ALL', 'MOULT_TEST_MARK'):\n"
                   "        print(name, os.environ.get(name))\n"
                   "    print('x' * 5000, end='')\n");
  HostKey key = HostBench::key();
  key.c_environment = {{"TZ", "Europe/Berlin"}};
  Host host(bench.loop, bench.log, bench, 1, key);
  REQUIRE(host.start(bench.launcher));
  bench.pump_until([&] { return !bench.ends.empty(); });
  ::unsetenv("MOULT_TEST_MARK");
  ::unsetenv("LC_ALL");
  REQUIRE(bench.output.size() == 5);
  CHECK(bench.output[0] == "TZ Europe/Berlin");
  CHECK(bench.output[1] == "LC_ALL None");
  CHECK(bench.output[2] == "MOULT_TEST_MARK None");
  CHECK(bench.output[3].size() == 4096);
  CHECK(bench.output[4].size() == 904);
}
