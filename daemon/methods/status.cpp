#include "daemon/methods/status.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace moult {

using control::Json;

namespace {

Json time_or_null(WallTime time) { return time == WallTime{} ? Json(nullptr) : Json(rfc3339(time)); }

std::string short_id(const std::string& id) { return id.substr(0, 12); }

Host* host_of(const Generation& generation) {
  for (const auto& interpreter : generation.interpreters()) {
    if (interpreter->host() != nullptr) return interpreter->host();
  }
  return nullptr;
}

// An interpreter's share of its host: nobody can say more exactly what an interpreter of a shared
// process uses.
std::uint64_t share_of(const Interpreter& interpreter) {
  const Host* host = interpreter.host();
  if (host == nullptr) return 0;
  return host->resident_bytes() / std::max<std::size_t>(host->interpreters(), 1);
}

std::uint64_t memory_of(const App& app) {
  std::uint64_t bytes = 0;
  for (const auto& generation : app.moulting().generations()) {
    for (const auto& interpreter : generation->interpreters()) {
      bytes += share_of(*interpreter);
    }
  }
  return bytes;
}

// Since when it has been in its state.
WallTime since_of(const GenerationRecord& generation) {
  for (const WallTime time : {generation.ended, generation.replaced, generation.activated}) {
    if (time != WallTime{}) return time;
  }
  return generation.created;
}

// "application" of "app:application".
std::string bare_name(const std::string& callable) { return callable.substr(callable.find(':') + 1); }

// The state of the generation that an attempt makes.
std::string_view attempt_word(std::string_view stage) {
  for (const std::string_view warming : {"handoff", "adopt", "ready", "warmup"}) {
    if (stage == warming) return "warming";
  }
  return "making";
}

Json rejection_row(const GenerationRecord& record) {
  return {{"generation", record.number},
          {"time", rfc3339(record.ended)},
          {"cause", cause_word(record.cause.kind)},
          {"cause_detail", record.cause.detail},
          {"stage", stage_word(record.rejection.stage)},
          {"error", record.rejection.error},
          {"file", record.rejection.file},
          {"line", record.rejection.line},
          {"traceback", record.rejection.traceback},
          {"make_seconds", record.make_seconds}};
}

std::vector<std::string> warnings_of(const App& app) {
  std::vector<std::string> warnings;
  const WatchStatus watch = app.watch_status();
  if (!watch.note.empty()) warnings.push_back(watch.note);
  if (const std::string& problem = app.log().problem(); !problem.empty())
    warnings.push_back("the app's log cannot be written: " + problem);
  if (const auto& lapsed = app.lapsed_deploy()) {
    warnings.push_back(fmt::format("the deploy that began at {} was not ended; it ended by itself at {}",
                                   rfc3339(lapsed->since), rfc3339(lapsed->until)));
  }
  if (const std::string apart = app.apart(); !apart.empty())
    warnings.push_back(fmt::format("it lives apart from other apps: {}", apart));
  for (const ProcessWideNote& note : app.moulting().process_wide_notes()) {
    warnings.push_back(
        fmt::format("the app asked its process for {}; its host was started with that", note.what));
  }
  return warnings;
}

}  // namespace

Json price_of(const App& app) {
  const Generation* active = app.moulting().active();
  if (active == nullptr) return nullptr;
  std::uint64_t bytes = 0;
  for (const auto& interpreter : active->interpreters()) {
    bytes += share_of(*interpreter);
  }
  return {{"memory_bytes", bytes}, {"make_seconds", active->record().make_seconds}};
}

Json nullable(std::uint64_t number) { return number == 0 ? Json(nullptr) : Json(number); }

std::string isolation_word_of(const std::string& isolation) {
  return isolation.empty() || isolation == "process" ? isolation : "interpreter";
}

std::string gil_word(const std::string& isolation) {
  return isolation == "shared" ? "shared" : isolation.empty() ? "" : "own";
}

std::string stage_word(const std::string& stage) {
  if (stage == "boot") return "interpreter";
  if (stage == "descriptors") return "host";
  if (stage == "callable") return "entry";
  if (stage == "crash") return "import";
  return stage;
}

Json list_row(const App& app) {
  const Generation* active = app.moulting().active();
  const std::string isolation = active != nullptr ? active->record().isolation : "";
  Json routes = Json::array();
  for (const RoutePattern& route : app.config().routes)
    routes.push_back(route.host + (route.prefix.empty() ? "/" : route.prefix));
  if (routes.empty()) routes.push_back("/");
  const SteadyTime now = Steady::now();
  const bool serves = active != nullptr && app.serving_since() != SteadyTime{};
  return {{"name", app.config().name},
          {"state", to_string(app.state())},
          {"generation", active != nullptr ? Json(active->number()) : Json(nullptr)},
          {"isolation", isolation_word_of(isolation)},
          {"gil", gil_word(isolation)},
          {"calls", {{"running", app.running()}, {"queued", app.dispatcher().queued()}}},
          {"requests_per_second", app.stats().per_second(now)},
          {"p95_seconds", app.stats().calls == 0 ? Json(nullptr) : Json(app.stats().p95_seconds())},
          {"memory_bytes", memory_of(app)},
          {"uptime_seconds", serves ? Seconds(now - app.serving_since()).count() : 0.0},
          {"reloads", app.moulting().reloads},
          {"note", app.note()},
          {"routes", routes},
          {"watch", app.watch_word()}};
}

std::vector<GenerationRecord> known_generations(const App& app) {
  std::vector<GenerationRecord> all = app.moulting().record().history;
  for (const auto& generation : app.moulting().generations()) {
    if (generation->number() == 0 || generation->record().rejection.stage == "stale") continue;
    std::erase_if(all, [&](const GenerationRecord& kept) { return kept.number == generation->number(); });
    all.push_back(generation->record());
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.number > b.number; });
  return all;
}

Json generation_rows(const App& app) {
  Json rows = Json::array();
  const Generation* active = app.moulting().active();
  for (const GenerationRecord& generation : known_generations(app)) {
    const Host* host = nullptr;
    std::size_t calls = 0;
    for (const auto& alive : app.moulting().generations()) {
      if (alive->number() != generation.number || alive->state() != generation.state) continue;
      host = host_of(*alive);
      calls = static_cast<std::size_t>(alive->running());
    }
    const bool is_active = active != nullptr && active->number() == generation.number;
    const WallTime now = std::chrono::system_clock::now();
    const WallTime end = generation.replaced != WallTime{} ? generation.replaced
                         : generation.ended != WallTime{}  ? generation.ended
                                                           : now;
    rows.push_back({{"generation", generation.number},
                    {"state", to_string(generation.state)},
                    {"cause", cause_word(generation.cause.kind)},
                    {"cause_detail", generation.cause.detail},
                    {"created", rfc3339(generation.created)},
                    {"since", rfc3339(since_of(generation))},
                    {"snapshot", short_id(generation.snapshot)},
                    {"vcs_commit", generation.commit.substr(0, 12)},
                    {"root", generation.tree},
                    {"files", generation.files},
                    {"host", host != nullptr ? Json(host->number()) : Json(nullptr)},
                    {"host_pid", host != nullptr ? Json(host->pid()) : Json(nullptr)},
                    {"calls", calls},
                    {"calls_served", generation.calls},
                    {"make_seconds", generation.make_seconds},
                    {"served_seconds",
                     generation.activated == WallTime{} ? 0.0 : Seconds(end - generation.activated).count()},
                    {"error", generation.rejection.stage == "stale" ? "" : generation.rejection.error},
                    {"file", generation.rejection.file},
                    {"line", generation.rejection.line},
                    {"can_roll_back",
                     !is_active && generation.activated != WallTime{} && !generation.snapshot.empty()}});
  }
  return rows;
}

Json status_page(const App& app, const std::vector<std::string>& urls) {
  Json page = list_row(app);
  const Moulting& moulting = app.moulting();
  const Generation* active = moulting.active();
  const AppConfig& config = app.config();
  page["root"] = active != nullptr ? active->record().tree : config.tree;
  page["entry"] = config.entry;
  page["callable"] = active != nullptr ? bare_name(active->record().callable) : config.callable;
  page["config_file"] = config.source_file;
  const auto& environment = moulting.environment();
  const auto python_path = environment.find("PYTHONPATH");
  page["environment"] = {{"python", config.python_note},
                         {"pythonpath", python_path == environment.end() ? "" : python_path->second},
                         {"env_file", config.env_file},
                         {"unread_env_file", moulting.unread_env_file()}};
  page["urls"] = urls;
  page["log_file"] = app.log().file();
  page["active"] = nullptr;
  std::size_t workers = 0;
  std::size_t busy = 0;
  if (active != nullptr) {
    const GenerationRecord& record = active->record();
    const Host* host = host_of(*active);
    for (const auto& interpreter : active->interpreters()) {
      workers += interpreter->workers();
      busy += static_cast<std::size_t>(interpreter->busy()) - interpreter->waiting();
    }
    page["active"] = {{"generation", record.number},
                      {"state", to_string(record.state)},
                      {"cause", cause_word(record.cause.kind)},
                      {"cause_detail", record.cause.detail},
                      {"since", rfc3339(record.activated)},
                      {"snapshot", short_id(record.snapshot)},
                      {"vcs_commit", record.commit.substr(0, 12)},
                      {"root", record.tree},
                      {"python", record.python},
                      {"host", host != nullptr ? Json(host->number()) : Json(nullptr)},
                      {"host_pid", host != nullptr ? Json(host->pid()) : Json(nullptr)},
                      {"interpreters", active->interpreters().size()},
                      {"make_seconds", record.make_seconds},
                      {"calls", busy}};
  }
  page["attempt"] = nullptr;
  if (const auto attempt = moulting.attempt_view()) {
    page["attempt"] = {{"generation", nullable(attempt->generation)},
                       {"state", attempt_word(attempt->stage)},
                       {"cause", cause_word(attempt->cause.kind)},
                       {"cause_detail", attempt->cause.detail},
                       {"since", rfc3339(attempt->since)},
                       {"stage", attempt->stage}};
  }
  page["rejected"] = moulting.last_rejected() ? rejection_row(*moulting.last_rejected()) : Json(nullptr);
  page["generations"] = generation_rows(app);
  const WatchStatus watch = app.watch_status();
  page["verdict"] = nullptr;
  if (active != nullptr && active->is_in_process() && moulting.record().verdict == Verdict::needs_process) {
    page["verdict"] = price_of(app);
    page["verdict"]["reason"] = moulting.record().verdict_reason;
  }
  page["watch_note"] =
      config.reload == Toggle::on ? watch.note : "changes are not acted on (reload = \"off\")";
  page["watched_files"] = watch.files;
  page["watched_folders"] = watch.folders;
  page["last_change"] = time_or_null(app.last_change());
  page["frozen"] = app.is_frozen();
  page["deploy"] = nullptr;
  if (const auto& deploy = app.deploy()) {
    page["deploy"] = {{"since", rfc3339(deploy->since)},
                      {"until", rfc3339(deploy->until)},
                      {"changes", app.settle().pending().files}};
  }
  page["pinned_generation"] =
      moulting.record().pinned ? Json(moulting.record().pinned->generation) : Json(nullptr);
  page["spare"] = moulting.spare_word();
  page["workers"] = {{"total", workers}, {"idle", workers - busy}};
  page["queue"] = {{"length", app.dispatcher().queued()},
                   {"limit", config.queue},
                   {"oldest_seconds", app.dispatcher().oldest_wait(Steady::now()).count()}};
  const CallStats& stats = app.stats();
  page["counters"] = {{"requests", stats.calls},
                      {"errors_5xx", stats.errors + stats.timeouts + stats.refused + stats.lost},
                      {"reloads", moulting.reloads},
                      {"rejected", moulting.rejections},
                      {"rollbacks", moulting.rollbacks},
                      {"drain_killed", stats.drain_killed},
                      {"call_killed", stats.timeouts},
                      {"queue_full", stats.queue_full},
                      {"queue_late", stats.queue_late},
                      {"host_deaths", moulting.host_deaths},
                      {"retried", stats.retried}};
  page["warnings"] = warnings_of(app);
  page["hints"] = hints_of(app);
  return page;
}

Json host_rows(const Supervisor& supervisor, HostPool& hosts) {
  Json rows = Json::array();
  for (const Host* host : hosts.hosts()) {
    std::set<std::string> apps;
    std::size_t workers = 0;
    std::size_t abandoned = 0;
    for (const App* app : supervisor.apps()) {
      for (const auto& generation : app->moulting().generations()) {
        for (const auto& interpreter : generation->interpreters()) {
          if (interpreter->host() != host) continue;
          apps.insert(app->config().name);
          workers += interpreter->workers();
          if (interpreter->state() == Interpreter::State::abandoned) ++abandoned;
        }
      }
    }
    const bool ending = host->state() == Host::State::leaving;
    const bool starting = host->state() == Host::State::starting;
    const std::uint64_t memory = host->resident_bytes();
    const double uptime = Seconds(Steady::now() - host->started()).count();
    rows.push_back({{"id", host->number()},
                    {"pid", host->pid()},
                    {"state", ending                  ? "ending"
                              : host->recycling       ? "recycling"
                              : host->stalled_since() ? "stalled"
                              : starting              ? "starting"
                                                      : "running"},
                    {"kind", host->dedicated ? "process" : "shared"},
                    {"python", host->key().python.version()},
                    {"executable", host->key().python.executable},
                    {"gil", host->key().mode == InterpreterMode::own || host->dedicated ? "own" : "shared"},
                    {"apps", apps},
                    {"interpreters", host->interpreters()},
                    {"workers", workers},
                    {"abandoned", abandoned},
                    {"memory_bytes", memory},
                    {"memory_growth_bytes", host->memory.growth(memory)},
                    {"started", rfc3339(std::chrono::system_clock::now() -
                                        std::chrono::duration_cast<Milliseconds>(Seconds(uptime)))},
                    {"uptime_seconds", uptime},
                    {"note", host->recycle_reason.empty() ? host->trouble : host->recycle_reason}});
  }
  return rows;
}

Json rejection_more(const std::string& app, const AttemptOutcome& outcome) {
  return {{"app", app},
          {"generation", nullable(outcome.generation)},
          {"serving", nullable(outcome.previous)},
          {"stage", stage_word(outcome.rejection.stage)}};
}

Error rejection_error(const AttemptOutcome& outcome) {
  const Rejection& rejection = outcome.rejection;
  const std::string what =
      outcome.generation == 0 ? "the code" : fmt::format("generation {}", outcome.generation);
  std::string hint =
      outcome.previous == 0
          ? "nothing serves; the next change tries again"
          : fmt::format("generation {} still serves; the next change tries again", outcome.previous);
  return {ErrorCode::code_rejected, fmt::format("{} was rejected: {}", what, rejection.error),
          rejection.traceback,      rejection.file,
          rejection.line,           std::move(hint)};
}

}  // namespace moult
