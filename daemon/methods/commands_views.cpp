#include "daemon/config/describe.h"
#include "daemon/daemon.h"
#include "daemon/methods/commands.h"
#include "daemon/methods/pending.h"
#include "daemon/methods/status.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <fnmatch.h>
#include <algorithm>

namespace moult {

using control::Access;
using control::Json;
using control::Reply;

namespace {

constexpr std::string_view kHidden = "(hidden)";

Json settings_of(const std::vector<SettingText>& settings, const std::vector<SettingText>& defaults) {
  Json rows = Json::array();
  for (const SettingText& setting : settings) {
    const bool is_default = std::find(defaults.begin(), defaults.end(), setting) != defaults.end();
    rows.push_back({{"key", setting.first}, {"value", setting.second}, {"default", is_default}});
  }
  return rows;
}

// Passwords stand in `env`: the status socket, which monitors read, shows the names alone.
Json app_settings(AppConfig config, Access access) {
  AppConfig plain;
  plain.name = config.name;
  if (access == Access::read) {
    for (auto& [name, value] : config.env) value = kHidden;
  }
  return settings_of(describe_app(config), describe_app(plain));
}

bool matches(const std::vector<std::string>& patterns, const std::string& name) {
  return patterns.empty() || std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
           return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
         });
}

Json log_line(const std::string& app, const LogLine& line) {
  return {{"time", rfc3339(line.time)},
          {"app", app},
          {"generation", nullable(line.generation)},
          {"stream", line.stream},
          {"text", line.text}};
}

void logs(Daemon&, App& app, const Json& params, Reply reply) {
  static_assert(AppLog::kKept == control::kLogLinesMost);
  const auto most = params.value("lines", std::size_t{100});
  if (most > AppLog::kKept) {
    reply.fail({ErrorCode::usage,
                fmt::format("lines: {} is more than the {} that are at hand", most, AppLog::kKept),
                {},
                {},
                0,
                fmt::format("the file has more: {}", app.log().file())});
    return;
  }
  const std::optional<std::uint64_t> generation = generation_of(params);
  const std::string stream = params.value("stream", "");
  const std::string name = app.config().name;
  const auto wanted = [generation, stream](const LogLine& line) {
    return (!generation || line.generation == *generation) && (stream.empty() || line.stream == stream);
  };
  std::vector<const LogLine*> found;
  const auto& lines = app.log().lines();
  for (auto line = lines.rbegin(); line != lines.rend() && found.size() < most; ++line) {
    if (wanted(*line)) found.push_back(&*line);
  }
  std::reverse(found.begin(), found.end());
  Json result{{"app", name}, {"file", app.log().file()}, {"lines", Json::array()}};
  if (!params.value("follow", false)) {
    for (const LogLine* line : found) result["lines"].push_back(log_line(name, *line));
    reply.ok(result);
    return;
  }
  for (const LogLine* line : found) reply.event(log_line(name, *line));
  const auto shared = std::make_shared<Reply>(std::move(reply));
  auto* log = &app.log();
  const int id = log->follow([shared, name, wanted](const LogLine& line) {
    if (wanted(line)) shared->event(log_line(name, line));
  });
  // The follower holds the reply; when the app goes, both go, which answers `interrupted`.
  shared->on_gone([log, id] { log->unfollow(id); });
}

void wait_for(Daemon& daemon, App& app, const Json& params, Reply reply) {
  const std::string name = app.config().name;
  const std::string until = params.at("until").get<std::string>();
  const std::uint64_t wanted = params.value("generation", std::uint64_t{0});
  const auto pending =
      daemon.pending(std::move(reply), timeout_of(params, Seconds(60)), fmt::format("the wait for {}", name));
  Pending::poll(pending, [&daemon, name, until, wanted](Pending& self) {
    const App* found = daemon.supervisor().find(name);
    if (found == nullptr) {
      self.fail({ErrorCode::no_such_app, fmt::format("{} was removed", name)});
      return true;
    }
    const Generation* active = found->moulting().active();
    const AppState state = found->state();
    bool reached = false;
    if (until == "ready") {
      reached = state == AppState::running || state == AppState::degraded;
      if (state == AppState::failed && found->moulting().last_rejected()) {
        const GenerationRecord& record = *found->moulting().last_rejected();
        const AttemptOutcome outcome{.kind = AttemptOutcome::Kind::rejected,
                                     .generation = record.number,
                                     .rejection = record.rejection};
        self.fail(rejection_error(outcome), rejection_more(name, outcome));
        return true;
      }
    } else if (until == "stopped") {
      reached = state == AppState::stopped && found->moulting().generations().empty();
    } else if (until == "generation") {
      reached = active != nullptr && active->number() >= wanted;
    } else {
      reached = !found->moulting().has_draining();
    }
    if (reached) self.ok(list_row(*found));
    return reached;
  });
}

Json status_of(const Daemon& daemon, const App& app) {
  Json page = status_page(app, daemon.urls_of(app.config()));
  for (const std::string& warning : config_warnings(daemon)) page["warnings"].push_back(warning);
  return page;
}

Json show(Daemon& daemon, App& app, Access access) {
  Json page = status_of(daemon, app);
  page["settings"] = app_settings(app.config(), access);
  const auto& python = app.moulting().python();
  page["python_executable"] = python ? python->executable : python_of(app.config());
  page["venv"] = app.config().venv;
  page["path"] = app.config().path;
  std::vector<std::string> names;
  for (const auto& [name, value] : app.config().env) names.push_back(name);
  page["environment"] = names;
  page["state_folder"] = fmt::format("{}/apps/{}", daemon.state_folder(), app.config().name);
  return page;
}

Json rows(const Daemon& daemon, const std::vector<std::string>& patterns) {
  Json all = Json::array();
  for (const App* app : daemon.supervisor().apps()) {
    if (matches(patterns, app->config().name)) all.push_back(list_row(*app));
  }
  return all;
}

}  // namespace

void serve_app_views(control::Methods& methods, Daemon& daemon) {
  const auto named = [&](const char* method, auto function) {
    serve_named(methods, daemon, method, function);
  };
  methods.serve("list", [&daemon](const Json& params, Reply reply) {
    std::vector<std::string> patterns;
    if (const auto apps = params.find("apps"); apps != params.end()) {
      patterns =
          apps->is_string() ? std::vector{apps->get<std::string>()} : apps->get<std::vector<std::string>>();
    }
    for (const std::string& pattern : patterns) {
      const auto names = daemon.supervisor().names();
      if (std::none_of(names.begin(), names.end(),
                       [&](const std::string& name) { return matches({pattern}, name); })) {
        reply.fail_no_such_app(pattern, names);
        return;
      }
    }
    reply.ok({{"apps", rows(daemon, patterns)}, {"warnings", config_warnings(daemon)}});
  });
  methods.serve("status", [&daemon](const Json& params, Reply reply) {
    if (params.contains("app")) {
      const std::string name = params.at("app").get<std::string>();
      App* app = daemon.supervisor().find(name);
      if (app == nullptr) {
        reply.fail_no_such_app(name, daemon.supervisor().names());
      } else {
        reply.ok(status_of(daemon, *app));
      }
      return;
    }
    reply.ok({{"daemon", daemon_page(daemon)}, {"apps", rows(daemon, {})}});
  });
  named("show", [](Daemon& d, App& app, const Json&, Reply reply) {
    const Access access = reply.access();
    reply.ok(show(d, app, access));
  });
  named("generations", [](Daemon&, App& app, const Json&, Reply reply) {
    const Generation* active = app.moulting().active();
    const auto& pin = app.moulting().record().pinned;
    reply.ok({{"app", app.config().name},
              {"active", active != nullptr ? Json(active->number()) : Json(nullptr)},
              {"pinned_generation", pin ? Json(pin->generation) : Json(nullptr)},
              {"generations", generation_rows(app)}});
  });
  named("why", [](Daemon&, App& app, const Json&, Reply reply) { reply.ok(why_page(app)); });
  named("compat", [](Daemon&, App& app, const Json&, Reply reply) { reply.ok(compat_page(app)); });
  named("logs", logs);
  named("wait", wait_for);
  methods.serve("config.show", [&daemon](const Json& params, Reply reply) {
    Json sections = Json::array();
    const Config& config = daemon.config();
    const std::string wanted = params.value("app", "");
    if (wanted.empty()) {
      sections.push_back({{"name", ""},
                          {"file", config.daemon.source_file},
                          {"settings", settings_of(describe_daemon(config.daemon), describe_daemon({}))}});
    }
    for (const AppConfig& app : config.apps) {
      if (!wanted.empty() && app.name != wanted) continue;
      sections.push_back(
          {{"name", app.name}, {"file", app.source_file}, {"settings", app_settings(app, reply.access())}});
    }
    if (sections.empty()) {
      reply.fail_no_such_app(wanted, daemon.supervisor().names());
      return;
    }
    reply.ok({{"folder", config.daemon.folder}, {"sections", sections}});
  });
}

}  // namespace moult
