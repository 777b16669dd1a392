#include "control/ctl/commands.h"
#include "control/ctl/pages.h"
#include "control/words.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>

namespace moult::ctl {

namespace {

using Page = std::string (*)(const Json&, const Look&);

int show(Invocation& invocation, const Result<Json>& result, Page page) {
  if (!result) return invocation.fail(result.error());
  if (invocation.options().json) {
    invocation.print_json(*result);
  } else {
    invocation.print(page(*result, invocation.look()));
  }
  return 0;
}

int of_one_app(Invocation& invocation, const std::string& method, Page page) {
  const auto app = one_app(invocation);
  if (!app) return invocation.fail(app.error());
  return show(invocation, invocation.call(method, {{"app", *app}}), page);
}

int run_list(Invocation& invocation) {
  Json params = Json::object();
  if (!invocation.options().apps.empty()) params["apps"] = invocation.options().apps;
  const auto result = invocation.call("list", params);
  if (!result || invocation.options().json || !invocation.options().quiet) {
    const int code = show(invocation, result, list_table);
    if (!result || invocation.options().json) return code;
    for (const std::string& warning : texts_at(*result, "warnings"))
      invocation.complain(fmt::format("{} {}\n", in_tone("warning:", Tone::warning, invocation.error_look()),
                                      printable(warning)));
    return code;
  }
  for (const Json& app : list_at(*result, "apps")) invocation.print(text_at(app, "name") + "\n");
  return 0;
}

// The exit code of `status`: 3 when no generation serves (as LSB's init scripts have it).
int code_of_state(const Json& app) {
  const std::string state = text_at(app, "state");
  return state == "running" || state == "reloading" || state == "degraded"
             ? 0
             : exit_code(ErrorCode::not_running);
}

int status_of(Invocation& invocation, const std::vector<std::string>& names, bool single) {
  Json pages = Json::array();
  int code = 0;
  for (const std::string& name : names) {
    const auto page = invocation.call("status", {{"app", name}});
    if (!page) return invocation.fail(page.error());
    code = graver(code, code_of_state(*page));
    if (invocation.options().json) {
      pages.push_back(*page);
    } else if (!invocation.options().quiet) {
      invocation.print((&name == &names.front() ? "" : "\n") + status_page(*page, invocation.look()));
    }
  }
  if (invocation.options().json) invocation.print_json(single ? pages[0] : Json{{"apps", std::move(pages)}});
  return code;
}

int run_status(Invocation& invocation) {
  const auto& given = invocation.options().apps;
  if (given.empty()) return show(invocation, invocation.call("status", Json::object()), daemon_page);
  if (given.size() == 1 && !control::is_pattern(given[0])) return status_of(invocation, given, true);
  Json params{{"apps", given}};
  const auto rows = invocation.call("list", params);
  if (!rows) return invocation.fail(rows.error());
  std::vector<std::string> names;
  for (const Json& app : list_at(*rows, "apps")) names.push_back(text_at(app, "name"));
  return status_of(invocation, names, false);
}

int run_show(Invocation& invocation) {
  const std::string& property = invocation.options().property;
  if (property.empty()) return of_one_app(invocation, "show", properties_page);
  const auto app = one_app(invocation);
  if (!app) return invocation.fail(app.error());
  const auto result = invocation.call("show", {{"app", *app}});
  if (!result) return invocation.fail(result.error());
  const Json* member = &*result;
  std::string_view rest = property;
  while (!rest.empty() && member != nullptr) {
    const std::string name(rest.substr(0, rest.find('.')));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    member = member->is_object() && member->contains(name) ? &(*member)[name] : nullptr;
  }
  if (member == nullptr) {
    return invocation.fail(Error{ErrorCode::usage, fmt::format("there is no property `{}`", property)});
  }
  const bool plain = member->is_string() && !invocation.options().json;
  invocation.print((plain ? printable(member->get<std::string>()) : member->dump()) + "\n");
  return 0;
}

int run_config_check(Invocation& invocation) {
  Json params = Json::object();
  const std::string& folder = invocation.options().folder;
  std::error_code ignored;
  if (!folder.empty())
    params["folder"] = std::filesystem::absolute(folder, ignored).lexically_normal().string();
  auto result = invocation.call("config.check", params);
  if (!result && result.error().code == ErrorCode::unreachable) {
    result.error().hint = "without a daemon: `moultd check`";
  }
  return show(invocation, result, config_check_line);
}

int run_config_show(Invocation& invocation) {
  Json params = Json::object();
  if (!invocation.options().apps.empty()) params["app"] = invocation.options().apps[0];
  return show(invocation, invocation.call("config.show", params), config_page);
}

int run_version(Invocation& invocation) {
  const auto daemon = invocation.call("version", Json::object());
  const bool absent = !daemon && daemon.error().code == ErrorCode::unreachable;
  if (!daemon && !absent) return invocation.fail(daemon.error());
  if (invocation.options().json) {
    invocation.print_json({{"moultctl", MOULT_VERSION}, {"daemon", daemon ? *daemon : Json()}});
    return 0;
  }
  invocation.print("moultctl " MOULT_VERSION "\n");
  invocation.print(daemon ? version_page(*daemon, invocation.look()) : "moultd   none answers\n");
  return 0;
}

int run_wait(Invocation& invocation) {
  const auto app = one_app(invocation);
  if (!app) return invocation.fail(app.error());
  const Options& options = invocation.options();
  Json params{{"app", *app}, {"until", options.until.empty() ? "ready" : options.until}};
  if (options.generation) params["generation"] = *options.generation;
  const auto row = invocation.call_long("wait", params, 60);
  if (!row) return invocation.fail(row.error());
  if (options.json) {
    invocation.print_json(*row);
  } else if (!options.quiet) {
    invocation.print(
        fmt::format("{}: {}, generation {}\n", *app, text_at(*row, "state"), label_at(*row, "generation")));
  }
  return 0;
}

}  // namespace

int run_looking(Invocation& invocation) {
  const std::string& command = invocation.options().command;
  if (command == "list") return run_list(invocation);
  if (command == "status") return run_status(invocation);
  if (command == "show") return run_show(invocation);
  if (command == "wait") return run_wait(invocation);
  if (command == "generations") return of_one_app(invocation, "generations", generations_table);
  if (command == "hosts") return show(invocation, invocation.call("hosts", Json::object()), hosts_table);
  if (command == "why") return of_one_app(invocation, "why", why_page);
  if (command == "compat") return of_one_app(invocation, "compat", compat_page);
  if (command == "config show") return run_config_show(invocation);
  if (command == "config check") return run_config_check(invocation);
  if (command == "version") return run_version(invocation);
  return -1;
}

}  // namespace moult::ctl
