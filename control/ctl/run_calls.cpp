#include "control/ctl/commands.h"
#include "control/ctl/pages.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <unistd.h>
#include <cerrno>

// Calls of functions, and what runs.

namespace moult::ctl {

namespace {

constexpr double kCall = 60;  // the method's own default
constexpr double kExports = 10;
constexpr std::size_t kArgumentsMax = 1u << 20;  // what a request of the control socket can be

Result<std::string> read_stdin() {
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) return fail(Error{ErrorCode::interrupted, "interrupted"});
    if (count < 0) return fail(last_os_error("stdin"));
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > kArgumentsMax)
      return fail(Error{ErrorCode::too_large, "the arguments are larger than 1 MiB"});
  }
}

int run_call(Invocation& invocation) {
  const Options& options = invocation.options();
  const auto app = one_app(invocation);
  if (!app) return invocation.fail(app.error());
  Json params{{"app", *app}, {"function", options.function}, {"raw", true}};
  if (options.arguments == "-") {
    const auto text = read_stdin();
    if (!text) return invocation.fail(text.error());
    params["args_json"] = *text;
  } else if (!options.arguments.empty()) {
    params["args_json"] = options.arguments;
  }
  auto answer = invocation.call_long("call", params, kCall);
  if (!answer) return invocation.fail(answer.error());
  std::string text = text_at(*answer, "result_json");
  if (options.json) {
    answer->erase("result_json");
    const std::string rest = answer->dump();  // {"app":…}
    text = fmt::format("{},\"result\":{}}}", rest.substr(0, rest.size() - 1), text);
  }
  if (options.json || invocation.look().terminal) text = printable(indented_json(text));
  if (!options.quiet) invocation.print(text + "\n");
  return 0;
}

int show(Invocation& invocation, const Result<Json>& result, std::string (*page)(const Json&, const Look&)) {
  if (!result) return invocation.fail(result.error());
  if (invocation.options().json) {
    invocation.print_json(*result);
  } else if (!invocation.options().quiet) {
    invocation.print(page(*result, invocation.look()));
  }
  return 0;
}

std::string stack_text(const Json& result, const Look&) {
  std::string text = printable(text_at(result, "text"));
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

std::string kill_line(const Json& result, const Look& look) {
  return fmt::format("{}: interrupted\n", in_tone(text_at(result, "call"), Tone::strong, look));
}

int run_exports(Invocation& invocation) {
  const auto app = one_app(invocation);
  if (!app) return invocation.fail(app.error());
  return show(invocation, invocation.call_long("exports", {{"app", *app}}, kExports), exports_table);
}

int run_list_of_calls(Invocation& invocation) {
  Json params = Json::object();
  if (!invocation.options().apps.empty()) params["app"] = invocation.options().apps[0];
  return show(invocation, invocation.call("calls", params), calls_table);
}

}  // namespace

int run_calls(Invocation& invocation) {
  const Options& options = invocation.options();
  const Json one{{"call", options.call_name}};
  if (options.command == "call") return run_call(invocation);
  if (options.command == "exports") return run_exports(invocation);
  if (options.command == "calls") return run_list_of_calls(invocation);
  if (options.command == "stack") return show(invocation, invocation.call("stack", one), stack_text);
  if (options.command == "kill") return show(invocation, invocation.call("kill", one), kill_line);
  return -1;
}

}  // namespace moult::ctl
