#include "control/ctl/commands.h"
#include "control/ctl/pages.h"
#include "control/words.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace moult::ctl {

namespace {

constexpr double kMake = 120;     // the methods' own default
constexpr double kRecycle = 300;  // as well

void show(Invocation& invocation, const Json& result, const std::string& text) {
  if (invocation.options().json) {
    invocation.print_json(result);
  } else if (!invocation.options().quiet) {
    invocation.print(text);
  }
}

// The answer for several apps: each line where it belongs, and the gravest code.
int show_results(Invocation& invocation, const Json& result) {
  int code = 0;
  for (const Json& one : list_at(result, "results")) {
    if (flag_at(one, "ok")) {
      if (!invocation.options().json) show(invocation, one, outcome_line(one, invocation.look()));
      continue;
    }
    Json data = object_at(object_at(one, "error"), "data");
    if (!data.contains("app")) data["app"] = text_at(one, "app");
    const Error error = control::error_from_json(object_at(one, "error"));
    if (!invocation.options().json) invocation.complain(error_text(error, data, invocation.error_look()));
    code = graver(code, exit_code_of(error, data));
  }
  if (invocation.options().json) invocation.print_json(result);
  return code;
}

// `app | apps | all`, as the command line names them.
Result<Json> selector(Invocation& invocation) {
  const Options& options = invocation.options();
  if (options.all) return Json{{"all", true}};
  const bool may_be_all = options.command == "freeze" || options.command == "thaw";
  if (options.apps.empty() && may_be_all) return Json{{"all", true}};
  if (options.apps.size() == 1 && !control::is_pattern(options.apps[0]))
    return Json{{"app", options.apps[0]}};
  if (!options.apps.empty()) return Json{{"apps", options.apps}};
  auto only = one_app(invocation);
  if (only) return Json{{"app", *only}};
  if (only.error().code == ErrorCode::usage) only.error().hint += "; or --all";
  return fail(std::move(only.error()));
}

int on_apps(Invocation& invocation, const std::string& method, double seconds) {
  const Options& options = invocation.options();
  auto params = selector(invocation);
  if (!params) return invocation.fail(params.error());
  if (!options.wait.empty()) (*params)["wait"] = options.wait;
  if (options.only_if_changed) (*params)["force"] = false;
  if (options.deploy_seconds) (*params)["for_seconds"] = *options.deploy_seconds;
  const bool has_timeout = method != "freeze" && method != "thaw";
  const auto result = has_timeout ? invocation.call_long(method, *params, seconds)
                                  : invocation.call(method, *params, seconds);
  if (!result) return invocation.fail(result.error());
  if (result->contains("results")) return show_results(invocation, *result);
  show(invocation, *result, outcome_line(*result, invocation.look()));
  return 0;
}

int run_check(Invocation& invocation) {
  const auto app = one_app(invocation);
  if (!app) return invocation.fail(app.error());
  const auto result = invocation.call_long("check", {{"app", *app}}, kMake);
  if (!result) return invocation.fail(result.error());
  show(invocation, *result, check_line(*result, invocation.look()));
  return 0;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 19 && text.find_first_not_of("0123456789") == std::string::npos;
}

int run_rollback(Invocation& invocation) {
  const Options& options = invocation.options();
  Json params = Json::object();
  if (options.generation) params["generation"] = *options.generation;
  Result<std::string> app = one_app(invocation);
  if (options.apps.size() == 1 && !options.generation && is_number(options.apps[0])) {
    // `rollback 13` where there is one app: the number is the generation, unless the app is called so.
    const auto names = all_app_names(invocation);
    if (!names) return invocation.fail(names.error());
    const bool is_app = std::find(names->begin(), names->end(), options.apps[0]) != names->end();
    if (!is_app && names->size() == 1) {
      params["generation"] = std::stoull(options.apps[0]);
      app = names->front();
    }
  }
  if (!app) return invocation.fail(app.error());
  params["app"] = *app;
  if (!options.wait.empty()) params["wait"] = options.wait;
  const auto result = invocation.call_long("rollback", params, kMake);
  if (!result) return invocation.fail(result.error());
  show(invocation, *result, outcome_line(*result, invocation.look()));
  return 0;
}

int run_recycle(Invocation& invocation) {
  Json params = Json::object();
  if (invocation.options().host) params["host"] = *invocation.options().host;
  const auto result = invocation.call_long("recycle", params, kRecycle);
  if (!result) return invocation.fail(result.error());
  show(invocation, *result, recycle_lines(*result, invocation.look()));
  return 0;
}

int run_config_reload(Invocation& invocation) {
  const auto result = invocation.call("config.reload", Json::object());
  if (!result) return invocation.fail(result.error());
  show(invocation, *result, config_reload_lines(*result, invocation.look()));
  return 0;
}

int run_shutdown(Invocation& invocation) {
  const auto until = invocation.deadline(invocation.options().timeout.value_or(Invocation::kLongest) + 10);
  const auto result = invocation.call_long("shutdown", Json::object(), Invocation::kQuick);
  if (!result) return invocation.fail(result.error());
  const auto client = invocation.connect();
  if (!client) return invocation.fail(client.error());
  const auto ended = (*client)->wait_for_end(until);
  if (!ended) return invocation.fail(ended.error());
  show(invocation, *result, fmt::format("moultd (pid {}) has ended\n", label_at(*result, "pid")));
  return 0;
}

}  // namespace

int run_changing(Invocation& invocation) {
  const std::string& command = invocation.options().command;
  if (command == "start" || command == "reload" || command == "restart")
    return on_apps(invocation, command, kMake);
  if (command == "stop") return on_apps(invocation, command, Invocation::kLongest);
  if (command == "deploy begin") return on_apps(invocation, "deploy.begin", kMake);
  if (command == "deploy end") return on_apps(invocation, "deploy.end", kMake);
  if (command == "freeze" || command == "thaw") return on_apps(invocation, command, Invocation::kQuick);
  if (command == "check") return run_check(invocation);
  if (command == "rollback") return run_rollback(invocation);
  if (command == "recycle") return run_recycle(invocation);
  if (command == "config reload") return run_config_reload(invocation);
  if (command == "shutdown") return run_shutdown(invocation);
  return -1;
}

}  // namespace moult::ctl
