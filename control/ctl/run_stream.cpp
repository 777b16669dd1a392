#include "control/ctl/commands.h"
#include "control/ctl/pages.h"

#include <nlohmann/json.hpp>

namespace moult::ctl {

namespace {

using Line = std::string (*)(const Json&, const Look&);

// One line of text, or of JSON.
void show_one(Invocation& invocation, Json item, Line line) {
  item.erase("request");
  if (invocation.options().json) {
    invocation.print(item.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  } else if (text_at(item, "event") != "heartbeat") {
    invocation.print(line(item, invocation.look()));
  }
}

int run_items(Invocation& invocation, const std::string& method, Json params, const char* list, Line line) {
  params["follow"] = invocation.options().follow;
  const auto result =
      invocation.options().follow
          ? invocation.stream(method, params, [&](const Json& item) { show_one(invocation, item, line); })
          : invocation.call(method, params);
  if (!result) {
    if (invocation.is_interrupted()) return exit_code(ErrorCode::interrupted);
    // The end that --timeout asked for; what was printed stays lines alone.
    const bool over = invocation.options().follow && result.error().code == ErrorCode::timed_out;
    if (over) return exit_code(ErrorCode::timed_out);
    return invocation.fail(result.error());
  }
  for (const Json& item : list_at(*result, list)) show_one(invocation, item, line);
  return 0;
}

int run_logs(Invocation& invocation) {
  const Options& options = invocation.options();
  const auto app = one_app(invocation);
  if (!app) return invocation.fail(app.error());
  Json params{{"app", *app}, {"lines", options.lines}};
  if (options.generation) params["generation"] = *options.generation;
  if (!options.stream.empty()) params["stream"] = options.stream;
  return run_items(invocation, "logs", params, "lines", log_line);
}

int run_events(Invocation& invocation) {
  const Options& options = invocation.options();
  Json params = Json::object();
  if (!options.apps.empty()) params["app"] = options.apps[0];
  if (!options.since.empty()) params["since"] = options.since;
  if (!options.filters.empty()) params["filter"] = options.filters;
  return run_items(invocation, "events", params, "events", event_line);
}

}  // namespace

int run_stream(Invocation& invocation) {
  if (invocation.options().command == "logs") return run_logs(invocation);
  if (invocation.options().command == "events") return run_events(invocation);
  return -1;
}

}  // namespace moult::ctl
