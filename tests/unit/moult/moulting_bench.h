#pragma once

#include "daemon/moult/moulting.h"
#include "tests/unit/hosts/host_bench.h"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <deque>
#include <set>

namespace moult::test {

// Host processes that only sleep; the test keeps the other end of their command channels.
class SleepingLauncher final : public HostLauncher {
 public:
  explicit SleepingLauncher(uv::Loop& loop) : loop_(loop) {}

  Result<LaunchedHost> launch(const HostKey&, const CodePlace&,
                              std::function<void(uv::ExitStatus)> on_exit) override {
    if (fails) {
      errno = EAGAIN;
      return fail(last_os_error("fork"));
    }
    MOULT_ASSIGN(SocketPair channel, seqpacket_pair());
    MOULT_ASSIGN(PipePair output, make_pipe());
    MOULT_TRY(set_nonblocking(output.read));
    uv::SpawnSpec spec;
    spec.arguments = {"/bin/sleep", "1000"};
    spec.fds = {-1, output.write.get(), output.write.get()};
    MOULT_ASSIGN(std::unique_ptr<uv::Process> process, uv::Process::spawn(loop_, spec, std::move(on_exit)));
    started.push_back({process->pid(), HostPart{{}, std::move(channel.theirs)}});
    return LaunchedHost{std::move(process), std::move(channel.ours), std::move(output.read)};
  }

  struct Started {
    int pid = 0;
    HostPart part;
  };
  std::deque<Started> started;
  bool fails = false;

 private:
  uv::Loop& loop_;
};

// What an interpreter of a host that the test plays has been told.
struct PlayedInterpreter {
  int pid = 0;
  std::uint64_t number = 0;
  bool is_spare = false;  // it waits for its code
  bool is_asked = true;   // made or rejected is to be told
  std::vector<LanePart> lanes{};
};

// One app's Moulting with its dispatcher, a tree on the disk, and hosts that the test plays. Nothing answers
// by itself but the end of interpreters.
class MoultingBench : public Moulting::Owner, public HostPool::Owner, public EventSink {
 public:
  explicit MoultingBench(const std::function<void(AppConfig&)>& change = {}) {
    std::filesystem::create_directories(temp.path("state"));
    temp.write("tree/app.py", "code = 0\n");
    config.name = "blog";
    config.tree = temp.path("tree");
    config.entry = "app.py";
    config.python = "/usr/bin/python3";
    config.spare = SparePolicy::off;
    config.threads = 2;
    config.retire_timeout = Milliseconds(1'000);
    if (change) change(config);
    pool.configure(4, 0);
    services.hosts = &pool;
    moulting = std::make_unique<Moulting>(services, *this, config, FoundRecord{}, dispatcher, stats, why);
  }
  ~MoultingBench() override {
    if (!moulting->is_stopping()) moulting->stop();
    pump_until([&] { return all_ended > 0; });
    dispatcher.set_intake(Dispatcher::Intake::stopped);
    moulting.reset();
    pool.kill_all();
    pump_until([&] { return pool.is_empty(); });
  }

  // ---- the disk, the daemon

  void edit(int version) { temp.replace("tree/app.py", fmt::format("code = {}\n", version)); }
  struct Asked {
    std::vector<AttemptOutcome> outcomes;
  };
  Asked& attempt(Cause cause, Moulting::Purpose purpose = Moulting::Purpose::serve) {
    asked.emplace_back();
    Asked& one = asked.back();
    moulting->attempt(std::move(cause), purpose, {},
                      [&one](const AttemptOutcome& outcome) { one.outcomes.push_back(outcome); });
    return one;
  }
  Asked& roll_back(std::optional<std::uint64_t> to) {
    asked.emplace_back();
    Asked& one = asked.back();
    const auto begun =
        moulting->roll_back(to, [&one](const AttemptOutcome& outcome) { one.outcomes.push_back(outcome); });
    if (!begun) one.outcomes.emplace_back();
    return one;
  }

  // ---- the hosts' part

  // Takes in what the hosts were told. Interpreters that are to end do so at once.
  void play() {
    for (SleepingLauncher::Started& host : launcher.started) {
      while (auto command = host.part.take()) obey(host, std::move(*command));
    }
  }
  void tell_booted(SleepingLauncher::Started& host) {
    host.part.send({{"event", "booted"}, {"python", "3.11.2"}, {"pid", host.pid}, {"soabi", ""}});
  }
  PlayedInterpreter* waiting_one() {
    for (PlayedInterpreter& one : interpreters) {
      if (one.is_asked) return &one;
    }
    return nullptr;
  }
  void tell_made(PlayedInterpreter& one, const std::vector<std::string>& hooks = {}) {
    one.is_asked = false;
    send(one, {{"event", "made"},
               {"interp", one.number},
               {"callable", "app:application"},
               {"exports", 0},
               {"hooks", hooks}});
  }
  void tell_rejected(PlayedInterpreter& one, const std::string& error) {
    send(one, {{"event", "rejected"},
               {"interp", one.number},
               {"stage", "import"},
               {"error", error},
               {"traceback", error}});
    const std::uint64_t number = one.number;
    const int pid = one.pid;
    std::erase_if(interpreters,
                  [&](const auto& other) { return other.number == number && other.pid == pid; });
    if (auto* host = host_of(pid))
      host->part.send({{"event", "retired"}, {"interp", number}, {"seconds", 0.0}});
  }
  void kill(int pid) {
    std::erase_if(interpreters, [&](const auto& one) { return one.pid == pid; });
    std::erase_if(launcher.started, [&](const auto& host) { return host.pid == pid; });
    ::kill(pid, SIGKILL);
  }
  // Workers begin what has come, and answer it.
  void answer_calls() {
    for (PlayedInterpreter& one : interpreters) {
      for (LanePart& lane : one.lanes) {
        while (const auto frame = lane.take()) {
          if (frame->type != lane::FrameType::request) continue;
          if ((frame->flags & lane::kCall) != 0) {
            lane.reply(frame->call, "value", "state");
          } else {
            lane.answer_whole(frame->call, "served", 8);
          }
        }
      }
    }
  }
  // Until what was begun has come to an end: hosts make all that they are asked for.
  void settle() {
    pump_until([&] {
      while (PlayedInterpreter* one = waiting_one()) tell_made(*one);
      answer_calls();
      return !moulting->attempt_view() && !moulting->is_reading();
    });
  }

  // Until no background job reads the disk for an attempt.
  void until_read() {
    pump_until([&] { return !moulting->is_reading(); });
  }

  void pump_until(const std::function<bool()>& done) {
    uv::Timer step(loop);
    uv::Timer limit(loop);
    bool late = false;
    step.start_repeating(Milliseconds(1), [&] {
      play();
      if (done() || late) loop.stop();
    });
    limit.start(Milliseconds(20'000), [&] { late = true; });
    loop.run();
    REQUIRE_FALSE(late);
  }
  void pump() {
    uv::Timer stop(loop);
    stop.start(Milliseconds(0), [&] { stop.start(Milliseconds(0), [this] { loop.stop(); }); });
    loop.run();
    play();
  }

  // ---- what it owns and is told

  void on_state_changed() override {}
  void on_switched(Generation& active) override { switched.push_back(active.number()); }
  void on_files_used(Generation&, const std::vector<std::string>&) override {}
  void on_files_written(const std::vector<std::string>&) override {}
  void on_log_line(std::uint64_t, char, std::string_view) override {}
  void on_asked(Generation&, const std::string&) override {}
  void on_all_ended() override { ++all_ended; }

  void on_recycle(Host& host) override { moulting->leave_host(host); }
  void on_host_lost(Host&, const std::string&) override {}
  void on_host_output(Host&, const OutputSource&, std::string_view) override {}
  void on_caller_lane(Host&, Fd) override {}
  void on_host_ended(Host&) override {}
  void on_host_full(Host&) override {}
  void on_host_stalled(Host&, const StalledEvent&) override {}
  void on_host_revived(Host&, const RevivedEvent&) override {}
  std::string on_host_dying(Host&, const std::string&, bool) override { return {}; }
  void event(std::string_view name, const std::string&, EventData) override { events.emplace_back(name); }

  TempTree temp;
  AppConfig config;
  uv::Loop loop;
  Log log{Log::Format::human, LogLevel::error};
  SleepingLauncher launcher{loop};
  LaneRounds rounds{loop};
  Inotify inotify{loop};
  PythonProbes probes{loop};
  HostPool pool{loop, log, *this, launcher};
  Services services{loop, log, *this, inotify, probes, rounds, nullptr, temp.path("state")};
  CallStats stats;
  Dispatcher dispatcher{stats};
  WhyLog why;
  std::list<Asked> asked;
  std::list<PlayedInterpreter> interpreters;
  std::vector<std::uint64_t> switched;
  std::vector<std::string> events;
  int all_ended = 0;
  std::unique_ptr<Moulting> moulting;

 private:
  SleepingLauncher::Started* host_of(int pid) {
    for (auto& host : launcher.started) {
      if (host.pid == pid) return &host;
    }
    return nullptr;
  }
  void send(const PlayedInterpreter& one, const Json& event) {
    if (auto* host = host_of(one.pid)) host->part.send(event);
  }
  PlayedInterpreter* find(int pid, std::uint64_t number) {
    for (PlayedInterpreter& one : interpreters) {
      if (one.pid == pid && one.number == number) return &one;
    }
    return nullptr;
  }
  void obey(SleepingLauncher::Started& host, Command command) {
    const std::string what = command.json["do"];
    const std::uint64_t number = command.json.value("interp", std::uint64_t{0});
    if (what == "make") {
      interpreters.push_back({host.pid, number, command.json.value("spare", false)});
      PlayedInterpreter& one = interpreters.back();
      one.is_asked = !one.is_spare;
      const std::size_t workers = command.descriptors.size() - 4;
      const auto batch =
          std::make_shared<BatchPart>(std::move(command.descriptors[2]), command.descriptors[3], workers);
      for (std::size_t i = 0; i < workers; ++i)
        one.lanes.emplace_back(batch, i, std::move(command.descriptors[4 + i]));
      if (one.is_spare) host.part.send({{"event", "spare"}, {"interp", number}, {"names", Json::array()}});
    } else if (what == "load") {
      if (PlayedInterpreter* one = find(host.pid, number)) {
        one->is_spare = false;
        one->is_asked = true;
      }
    } else if (what == "loaded") {
      host.part.send({{"event", "loaded"},
                      {"ask", command.json["ask"]},
                      {"names", Json::array()},
                      {"sources", Json::array()},
                      {"why", ""}});
    } else if (what == "retire") {
      std::erase_if(interpreters,
                    [&](const auto& one) { return one.pid == host.pid && one.number == number; });
      host.part.send({{"event", "retired"}, {"interp", number}, {"seconds", 0.0}});
    } else if (what == "drain") {
      host.part.send({{"event", "drained"}, {"interp", number}});
    } else if (what == "give_back") {
      for (PlayedInterpreter& one : interpreters) {
        if (one.pid == host.pid && (number == 0 || one.number == number) && !one.lanes.empty())
          one.lanes.front().batch->give_back();
      }
    } else if (what == "stay") {
      host.part.send({{"event", "stayed"}, {"ask", command.json["ask"]}});
    } else if (what == "exit") {
      ::kill(host.pid, SIGTERM);
    }
  }
};

}  // namespace moult::test
