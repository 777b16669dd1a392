#include "control/ctl/commands.h"
#include "control/words.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace moult::ctl {

Result<std::vector<std::string>> all_app_names(Invocation& invocation) {
  MOULT_ASSIGN(const Json result, invocation.call("list", Json::object()));
  std::vector<std::string> names;
  for (const Json& app : list_at(result, "apps")) names.push_back(text_at(app, "name"));
  return names;
}

Result<std::string> one_app(Invocation& invocation) {
  const auto& given = invocation.options().apps;
  if (given.size() == 1 && !control::is_pattern(given[0])) return given[0];
  MOULT_ASSIGN(const auto names, all_app_names(invocation));
  const control::Selection selection = control::select(given, names);
  const auto& candidates = given.empty() ? names : selection.names;
  if (candidates.size() == 1) return candidates[0];
  Error error{ErrorCode::usage, "name one app"};
  if (names.empty()) error.message = "there are no apps";
  if (!names.empty()) error.hint = fmt::format("one of: {}", fmt::join(names, ", "));
  return fail(std::move(error));
}

int run(Invocation& invocation) {
  const std::string& command = invocation.options().command;
  if (command == "ensure") return run_ensure(invocation);
  if (command == "doctor") return run_doctor(invocation);
  if (command == "front") return run_front(invocation);
  if (command == "diff") return run_diff(invocation);
  if (command == "imports") return run_imports(invocation);
  if (command == "completion") return run_completion(invocation);
  if (command == "__complete") return run_complete(invocation);
  for (const auto kind : {run_looking, run_changing, run_calls, run_stream}) {
    const int code = kind(invocation);
    if (code >= 0) return code;
  }
  return invocation.fail(Error{ErrorCode::usage, fmt::format("no command `{}`", command)});
}

}  // namespace moult::ctl
