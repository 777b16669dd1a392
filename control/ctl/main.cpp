#include "control/ctl/commands.h"
#include "control/ctl/interrupt.h"

#include <nlohmann/json.hpp>

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

// "moultctl: WHAT\n  HINT\n" as an error object.
std::string usage_json(std::string_view text) {
  text.remove_prefix(std::min(text.find(' ') + 1, text.size()));
  text = text.substr(0, text.find_last_not_of('\n') + 1);
  const std::size_t end = std::min(text.find("\n  "), text.size());
  Error error{ErrorCode::usage, std::string(text.substr(0, end))};
  if (end < text.size()) error.hint = text.substr(end + 3);
  return control::Json{{"error", control::error_to_json(control::rpc_code(error.code), error, {})}}.dump(2) +
         "\n";
}

}  // namespace

int main(int count, char** words) {
  std::atomic<bool>& interrupted = ctl::catch_interrupts();
  auto parsed = ctl::parse_options(std::vector<std::string>(words + 1, words + count));
  if (const auto* quit = std::get_if<ctl::Quit>(&parsed)) {
    const std::string text = quit->json ? usage_json(quit->text) : quit->text;
    std::fputs(text.c_str(), quit->code == 0 || quit->json ? stdout : stderr);
    return quit->code;
  }
  auto& options = std::get<ctl::Options>(parsed);
  control::Surroundings surroundings = control::surroundings_of_this_process();
  const ctl::Look look = look_of(options, surroundings);
  ctl::Invocation invocation(std::move(options), std::move(surroundings), look, interrupted);
  return ctl::run(invocation);
}
