#include "control/checks.h"
#include "daemon/daemon.h"
#include "daemon/methods/commands.h"
#include "daemon/methods/doctor.h"
#include "daemon/methods/pending.h"
#include "daemon/methods/status.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <unistd.h>
#include <algorithm>
#include <cmath>

namespace moult {

using control::Json;
using control::Reply;

namespace {

Json errors_to_json(const ConfigErrors& errors) {
  Json rows = Json::array();
  for (const Error& error : errors) {
    rows.push_back(
        {{"message", error.message}, {"file", error.file}, {"line", error.line}, {"hint", error.hint}});
  }
  return rows;
}

void fail_config(Reply reply, const ConfigErrors& errors) {
  Error error = errors.front();
  error.code = ErrorCode::config_invalid;
  if (errors.size() > 1) error.message += fmt::format(" (and {} more)", errors.size() - 1);
  reply.fail(error, {{"errors", errors_to_json(errors)}});
}

Json version_page(const Daemon& daemon) {
  Json pythons = Json::array();
  for (const std::string& name : control::host_modules(daemon.module_folder())) {
    pythons.push_back({{"abi", name.substr(12, name.size() - 15)},
                       {"module", fmt::format("{}/{}", daemon.module_folder(), name)}});
  }
  return {{"version", MOULT_VERSION},
          {"protocol", 1},
          {"pid", ::getpid()},
          {"uid", ::getuid()},
          {"boot", daemon.boot()},
          {"started", rfc3339(daemon.started_wall())},
          {"uptime_seconds", Seconds(Steady::now() - daemon.started()).count()},
          {"socket", daemon.control_path()},
          {"config_folder", daemon.config().daemon.folder},
          {"state_folder", daemon.state_folder()},
          {"pythons", pythons}};
}

void check_config(Daemon& daemon, const Json& params, Reply reply) {
  const std::string folder = params.value("folder", daemon.config().daemon.folder);
  if (folder.empty()) {
    reply.fail({ErrorCode::failed, "moultd run has no config folder"});
    return;
  }
  const uv::Errand errand{uv::Work::other, "config"};
  if (!daemon.loop().background().has_room(errand)) {
    reply.fail({ErrorCode::failed, "too many checks wait for the disk of the config folder"});
    return;
  }
  using Loaded = std::shared_ptr<tl::expected<Config, ConfigErrors>>;
  const auto shared = std::make_shared<Reply>(std::move(reply));
  uv::compute_in_background<Loaded>(
      daemon.loop(), errand,
      [folder] { return std::make_shared<tl::expected<Config, ConfigErrors>>(load_config(folder)); },
      [folder, shared](Loaded loaded) {
        if (!*loaded) {
          fail_config(std::move(*shared), loaded->error());
          return;
        }
        std::vector<std::string> files;
        std::vector<std::string> names;
        if (!(*loaded)->daemon.source_file.empty()) files.push_back((*loaded)->daemon.source_file);
        for (const AppConfig& app : (*loaded)->apps) {
          files.push_back(app.source_file);
          names.push_back(app.name);
        }
        shared->ok({{"folder", folder}, {"files", files}, {"apps", names}});
      });
}

void reload_config(Daemon& daemon, const Json&, Reply reply) {
  const auto shared = std::make_shared<Reply>(std::move(reply));
  daemon.reload_config([shared](const tl::expected<ConfigChange, ConfigErrors>& change) {
    if (!change) {
      fail_config(std::move(*shared), change.error());
      return;
    }
    Json changed = Json::array();
    for (const AppChange& app : change->changed) {
      changed.push_back({{"app", app.name},
                         {"effect", app.new_generation ? "generation"
                                    : app.routes       ? "routes"
                                                       : "limits"}});
    }
    shared->ok({{"added", change->added},
                {"removed", change->removed},
                {"changed", changed},
                {"daemon", change->daemon_keys},
                {"warnings", Json::array()}});
  });
}

}  // namespace

std::vector<std::string> config_warnings(const Daemon& daemon) {
  if (daemon.config_errors().empty()) return {};
  return {"the config files on disk have errors and are not in force: moultctl config check"};
}

Json daemon_page(const Daemon& daemon) {
  std::vector<std::string> listening;
  for (const ListenAddress& address : daemon.http().addresses()) listening.push_back(to_string(address));
  const HttpCounters& counters = daemon.http().counters();
  Json warnings = config_warnings(daemon);
  if (const std::string& note = daemon.supervisor().memory_note(); !note.empty()) warnings.push_back(note);
  return {{"version", MOULT_VERSION},
          {"pid", ::getpid()},
          {"uptime_seconds", Seconds(Steady::now() - daemon.started()).count()},
          {"memory_bytes", resident_bytes(::getpid())},
          {"listening", listening},
          {"config_folder", daemon.config().daemon.folder},
          {"state_folder", daemon.state_folder()},
          {"connections", counters.open},
          {"requests", counters.requests},
          {"hosts", const_cast<Daemon&>(daemon).supervisor().hosts().hosts().size()},
          {"config_errors", errors_to_json(daemon.config_errors())},
          {"warnings", warnings}};
}

void serve_daemon_commands(control::Methods& methods, Daemon& daemon) {
  methods.serve("version", [&daemon](const Json&, Reply reply) { reply.ok(version_page(daemon)); });
  methods.serve("config.check", [&daemon](const Json& params, Reply reply) {
    check_config(daemon, params, std::move(reply));
  });
  methods.serve("config.reload", [&daemon](const Json& params, Reply reply) {
    reload_config(daemon, params, std::move(reply));
  });
  methods.serve("doctor", [&daemon](const Json&, Reply reply) {
    reply.ok({{"checks", doctor_checks(daemon)}});
  });
  methods.serve("shutdown", [&daemon](const Json& params, Reply reply) {
    int calls = 0;
    for (const App* app : daemon.supervisor().apps()) calls += app->running();
    reply.ok({{"outcome", "stopping"},
              {"pid", ::getpid()},
              {"apps", daemon.supervisor().apps().size()},
              {"calls", calls}});
    std::optional<Milliseconds> deadline;
    if (params.contains("timeout")) deadline = timeout_of(params, Seconds(0));
    daemon.shut_down(deadline);
  });
}

void serve_named(control::Methods& methods, Daemon& daemon, std::string_view method, NamedCommand command) {
  methods.serve(method, [&daemon, command = std::move(command)](const Json& params, Reply reply) {
    const std::string name = params.at("app").get<std::string>();
    App* app = daemon.supervisor().find(name);
    if (app == nullptr) {
      reply.fail_no_such_app(name, daemon.supervisor().names());
      return;
    }
    command(daemon, *app, params, std::move(reply));
  });
}

std::optional<std::uint64_t> generation_of(const Json& params) {
  if (!params.contains("generation")) return std::nullopt;
  return params["generation"].get<std::uint64_t>();
}

void serve_methods(control::Methods& methods, Daemon& daemon, control::EventLog& events) {
  control::serve_common(methods);
  events.serve(methods);
  serve_app_views(methods, daemon);
  serve_app_commands(methods, daemon);
  serve_call_commands(methods, daemon);
  serve_code_views(methods, daemon);
  serve_host_commands(methods, daemon);
  serve_daemon_commands(methods, daemon);
}

namespace {

std::string short_size(std::uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  const auto size = static_cast<double>(bytes);
  return bytes < 1'000'000 ? fmt::format("{:.1f} kB", size / 1e3) : fmt::format("{:.1f} MB", size / 1e6);
}

std::string short_time(Seconds time) {
  return time < Seconds(1) ? fmt::format("{:.1f} ms", time.count() * 1e3)
                           : fmt::format("{:.2f} s", time.count());
}

// "GET /shop 200 1.2 kB 3.4 ms", the status in a colour where there are any.
std::string brief_line(const AccessRecord& record, bool colour) {
  constexpr const char* kColours[] = {"", "", "\x1b[32m", "\x1b[36m", "\x1b[33m", "\x1b[31m"};
  const auto klass = static_cast<std::size_t>(record.status / 100);
  std::string status = record.status == 0 ? "-" : std::to_string(record.status);
  if (colour && klass < std::size(kColours)) status = fmt::format("{}{}\x1b[0m", kColours[klass], status);
  return fmt::format("{} {} {} {} {}{}", record.method, record.target, status, short_size(record.bytes),
                     short_time(record.duration), record.cut ? ", cut off" : "");
}

}  // namespace

AccessLog access_log_to(Log& log) {
  if (log.is_brief()) {
    return [&log](const AccessRecord& record) { log.info(brief_line(record, log.has_colour())); };
  }
  return [&log](const AccessRecord& record) {
    log.info(fmt::format("{} {}", record.method, record.target),
             {{"client", std::string(record.remote_addr)},
              {"app", std::string(record.app)},
              {"status", record.status},
              {"bytes", record.bytes},
              {"seconds", std::round(record.duration.count() * 1e6) / 1e6},
              {"cut", record.cut}});
  };
}

}  // namespace moult
