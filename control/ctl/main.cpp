#include "control/ctl/commands.h"
#include "control/ctl/interrupt.h"

#include <sys/ioctl.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>

using namespace moult;

namespace {

ctl::Look look_of(const ctl::Options& options, const control::Surroundings& surroundings) {
  ctl::Look look;
  look.now = std::chrono::system_clock::now();
  look.terminal = ::isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (look.terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) look.width = size.ws_col;
  const auto no_colour = surroundings.environment.find("NO_COLOR");  // https://no-color.org
  const auto terminal = surroundings.environment.find("TERM");
  const bool dumb = terminal == surroundings.environment.end() || terminal->second == "dumb";
  const bool refused = no_colour != surroundings.environment.end() && !no_colour->second.empty();
  const bool wanted = !options.no_colour && !refused && !dumb;
  look.colour = wanted && look.terminal;
  look.error_colour = wanted && ::isatty(STDERR_FILENO) == 1;
  return look;
}

}  // namespace

int main(int count, char** words) {
  std::atomic<bool>& interrupted = ctl::catch_interrupts();
  auto parsed = ctl::parse_options(std::vector<std::string>(words + 1, words + count));
  if (const auto* quit = std::get_if<ctl::Quit>(&parsed)) {
    std::fputs(quit->text.c_str(), quit->code == 0 ? stdout : stderr);
    return quit->code;
  }
  auto& options = std::get<ctl::Options>(parsed);
  control::Surroundings surroundings = control::surroundings_of_this_process();
  const ctl::Look look = look_of(options, surroundings);
  ctl::Invocation invocation(std::move(options), std::move(surroundings), look, interrupted);
  return ctl::run(invocation);
}
