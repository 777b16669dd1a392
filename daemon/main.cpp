#include "daemon/daemon.h"
#include "ipc/base/descriptor_limit.h"

#include <unistd.h>
#include <csignal>
#include <cstdio>

namespace {

constexpr unsigned kLastWrites = 10;             // seconds
constexpr std::uint64_t kLogFileMax = 8u << 20;  // moultd.log of `moultctl ensure`; one older file is kept

int answer(const moult::CommandLineAnswer& answer) {
  std::fputs(answer.text.c_str(), answer.exit_code == 0 ? stdout : stderr);
  return answer.exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace moult;
  std::signal(SIGPIPE, SIG_IGN);
  for (const int number : {SIGUSR1, SIGUSR2}) std::signal(number, SIG_IGN);  // until the daemon listens
  const auto parsed = parse_options(argc, argv);
  if (const auto* done = std::get_if<CommandLineAnswer>(&parsed)) return answer(*done);
  const DaemonOptions& options = std::get<DaemonOptions>(parsed);
  const Surroundings surroundings = current_surroundings();
  if (options.command == DaemonCommand::check)
    return answer(check_config(options.config, config_folder(surroundings)));

  // Before anything else gets the numbers of its descriptors.
  Inheritance inheritance = inherit_from_systemd(surroundings);
  Log log(options.log_format, options.log_level);
  if (options.command == DaemonCommand::run) log.make_brief();
  log.write_in_background(kLogFileMax);
  raise_descriptor_limit();
  uv::Loop loop;
  Daemon daemon(loop, log, options, surroundings);
  if (const auto started = daemon.start(std::move(inheritance)); !started) {
    std::fputs(format_errors(started.error()).c_str(), stderr);
    return exit_code(started.error().front().code);
  }
  loop.run();
  // What is still being written has a while; a disk that hangs does not keep the process.
  std::signal(SIGALRM, [](int) { ::_exit(0); });
  ::alarm(kLastWrites);
  return 0;
}
