#include "daemon/daemon.h"
#include "daemon/methods/commands.h"
#include "daemon/methods/pending.h"
#include "daemon/methods/saved_reply.h"
#include "daemon/methods/status.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace moult {

using control::Json;
using control::Reply;

namespace {

constexpr Seconds kDefaultTimeout{120};
constexpr double kDeploySeconds = 600;
constexpr double kDeploySecondsMax = 86'400;

Json state_of(const App& app) { return std::string(to_string(app.state())); }

// The app, or null after an answer: it may have been removed while the request waited.
App* find_or_fail(Daemon& daemon, Pending& pending, const std::string& name) {
  App* found = daemon.supervisor().find(name);
  if (found == nullptr) pending.fail({ErrorCode::no_such_app, fmt::format("{} was removed", name)});
  return found;
}

// Answers a request for a new generation once its attempt has ended.
void answer(Pending& pending, App& app, const AttemptOutcome& outcome, Json result) {
  const std::string& name = app.config().name;
  switch (outcome.kind) {
    case AttemptOutcome::Kind::rejected:
      pending.fail(rejection_error(outcome), rejection_more(name, outcome));
      return;
    case AttemptOutcome::Kind::failed: pending.fail(outcome.error); return;
    case AttemptOutcome::Kind::stopped:
      pending.fail({ErrorCode::interrupted, fmt::format("{}: something newer took the place of this", name)});
      return;
    default: break;
  }
  result["app"] = name;
  result["state"] = state_of(app);
  result["generation"] = outcome.generation;
  result["previous"] = outcome.previous == 0 ? Json(nullptr) : Json(outcome.previous);
  result["cause"] = cause_word(outcome.cause.kind);
  result["make_seconds"] = outcome.make_seconds;
  result["elapsed_seconds"] = pending.elapsed().count();
  pending.ok(result);
}

// reload, restart, rollback: starts the operation with a waiter that answers as `wait` asks.
template <typename Start>
void start_and_wait(Daemon& daemon, App& app, const Json& params, Reply reply, const std::string& what,
                    Json result, const Start& start) {
  const std::string wait = params.value("wait", "switched");
  const auto pending = daemon.pending(std::move(reply), timeout_of(params, kDefaultTimeout),
                                      fmt::format("{} of {}", what, app.config().name));
  const std::string name = app.config().name;
  const Result<> started = start([&daemon, pending, wait, result, name](const AttemptOutcome& outcome) {
    App* found = find_or_fail(daemon, *pending, name);
    if (found == nullptr) return;
    Json filled = result;
    const bool unchanged = outcome.kind == AttemptOutcome::Kind::unchanged;
    if (!filled.contains("outcome"))
      filled["outcome"] = unchanged           ? "unchanged"
                          : wait == "ready"   ? "ready"
                          : wait == "drained" ? "drained"
                                              : "switched";
    if (wait == "drained" && outcome.kind == AttemptOutcome::Kind::switched) {
      found->moulting().when_drained([&daemon, pending, outcome, filled, name] {
        if (App* again = find_or_fail(daemon, *pending, name)) answer(*pending, *again, outcome, filled);
      });
      return;
    }
    answer(*pending, *found, outcome, filled);
  });
  if (!started) {
    pending->fail(started.error());
  } else if (wait == "none") {
    result["app"] = name;
    result["outcome"] = "requested";
    result["state"] = state_of(app);
    result["generation"] = nullptr;
    pending->ok(result);
  }
}

void start_app(Daemon& daemon, App& app, const Json& params, Reply reply) {
  const std::string name = app.config().name;
  if (app.state() != AppState::stopped) {
    const Generation* active = app.moulting().active();
    reply.ok({{"app", name},
              {"outcome", "unchanged"},
              {"state", state_of(app)},
              {"generation", active != nullptr ? Json(active->number()) : Json(nullptr)},
              {"elapsed_seconds", 0.0}});
    return;
  }
  const bool wait = params.value("wait", "ready") != "none";
  const auto pending =
      daemon.pending(std::move(reply), timeout_of(params, kDefaultTimeout), "the start of " + name);
  // One that is still draining from its stop starts when that is over.
  const auto begin = [&daemon, pending, name, wait] {
    App* found = find_or_fail(daemon, *pending, name);
    if (found == nullptr) return;
    found->start([&daemon, pending, name](const AttemptOutcome& outcome) {
      App* again = find_or_fail(daemon, *pending, name);
      if (again != nullptr) answer(*pending, *again, outcome, {{"outcome", "started"}});
    });
    if (!wait)
      pending->ok(
          {{"app", name}, {"outcome", "requested"}, {"state", state_of(*found)}, {"generation", nullptr}});
  };
  // One that is still draining from its stop starts when that is over.
  Pending::poll(pending, [&daemon, name, begin](Pending&) {
    App* found = daemon.supervisor().find(name);
    if (found != nullptr && !found->moulting().generations().empty()) return false;
    begin();
    return true;
  });
}

void stop_app(Daemon& daemon, App& app, const Json& params, Reply reply) {
  const std::string name = app.config().name;
  if (app.state() == AppState::stopped && app.moulting().generations().empty()) {
    reply.ok({{"app", name},
              {"outcome", "unchanged"},
              {"state", "stopped"},
              {"drain_killed", 0},
              {"elapsed_seconds", 0.0}});
    return;
  }
  const Seconds longest = Seconds(app.config().drain_timeout) + Seconds(30);
  const auto pending = daemon.pending(std::move(reply), timeout_of(params, longest), "the stop of " + name);
  const std::uint64_t killed = app.stats().drain_killed;
  app.stop(App::Remember::yes, [&daemon, pending, name, killed] {
    const App* found = daemon.supervisor().find(name);
    pending->ok({{"app", name},
                 {"outcome", "stopped"},
                 {"state", "stopped"},
                 {"drain_killed", found != nullptr ? found->stats().drain_killed - killed : 0},
                 {"elapsed_seconds", pending->elapsed().count()}});
  });
}

void reload_app(Daemon& daemon, App& app, const Json& params, Reply reply, CauseKind kind) {
  if (app.state() == AppState::stopped) {
    if (kind == CauseKind::restart) {
      start_app(daemon, app,
                params.contains("wait") && params["wait"] == "none" ? Json{{"wait", "none"}} : Json::object(),
                std::move(reply));
      return;
    }
    reply.fail({ErrorCode::not_running,
                fmt::format("{} is stopped", app.config().name),
                {},
                {},
                0,
                fmt::format("moultctl start {}", app.config().name)});
    return;
  }
  const bool force = params.value("force", true);
  start_and_wait(daemon, app, params, std::move(reply), std::string(to_string(kind)), Json::object(),
                 [&](Moulting::Waiter waiter) -> Result<> {
                   app.request(kind, force, {}, std::move(waiter));
                   return {};
                 });
}

void check_app(Daemon& daemon, App& app, const Json& params, Reply reply) {
  const std::string name = app.config().name;
  const auto pending =
      daemon.pending(std::move(reply), timeout_of(params, kDefaultTimeout), "the check of " + name);
  app.request(CauseKind::check, true, {}, [pending, name](const AttemptOutcome& outcome) {
    if (outcome.kind == AttemptOutcome::Kind::rejected) {
      pending->fail(rejection_error(outcome), rejection_more(name, outcome));
    } else if (outcome.kind == AttemptOutcome::Kind::checked) {
      pending->ok({{"app", name},
                   {"outcome", "ok"},
                   {"same_as_active", outcome.same_as_active},
                   {"snapshot", outcome.snapshot.substr(0, 12)},
                   {"files", outcome.files},
                   {"make_seconds", outcome.make_seconds},
                   {"isolation", isolation_word_of(outcome.isolation)},
                   {"warnings", Json::array()}});
    } else {
      pending->fail(
          outcome.kind == AttemptOutcome::Kind::failed
              ? outcome.error
              : Error{ErrorCode::interrupted, fmt::format("{} changed while it was checked", name)});
    }
  });
}

void roll_back_app(Daemon& daemon, App& app, const Json& params, Reply reply) {
  const std::optional<std::uint64_t> wanted = generation_of(params);
  const std::string name = app.config().name;
  const auto pending =
      daemon.pending(std::move(reply), timeout_of(params, kDefaultTimeout), "the roll-back of " + name);
  const auto started = app.roll_back(wanted, [&daemon, pending, name](const AttemptOutcome& outcome) {
    App* found = find_or_fail(daemon, *pending, name);
    if (found == nullptr) return;
    const auto& pin = found->moulting().record().pinned;
    Json from = nullptr;
    if (outcome.cause.kind == CauseKind::rollback)
      from = std::strtoull(outcome.cause.detail.c_str(), nullptr, 10);
    answer(*pending, *found, outcome,
           {{"outcome", "switched"},
            {"from_generation", from},
            {"pinned_generation", pin ? Json(pin->generation) : Json(outcome.generation)}});
  });
  if (!started) pending->fail(started.error());
}

// Answers when nothing is being read any more, so that what is written from then on is in no
// generation before the end of the deploy.
void begin_deploy(Daemon& daemon, App& app, const Json& params, Reply reply) {
  const double seconds = params.value("for_seconds", kDeploySeconds);
  if (seconds < 1 || seconds > kDeploySecondsMax) {
    reply.fail({ErrorCode::usage, fmt::format("`for_seconds` must be from 1 to {}", kDeploySecondsMax)},
               {{"field", "for_seconds"}});
    return;
  }
  const std::string name = app.config().name;
  const bool is_new = app.begin_deploy(std::chrono::round<Milliseconds>(Seconds(seconds)));
  const std::string until = rfc3339(app.deploy()->until);
  const auto pending = daemon.pending(std::move(reply), timeout_of(params, kDefaultTimeout),
                                      "the beginning of a deploy of " + name);
  Pending::poll(pending, [&daemon, name, is_new, until, seconds](Pending& self) {
    App* found = find_or_fail(daemon, self, name);
    if (found == nullptr) return true;
    if (found->moulting().is_reading()) return false;
    self.ok({{"app", name},
             {"outcome", is_new ? "begun" : "renewed"},
             {"state", state_of(*found)},
             {"until", until},
             {"for_seconds", seconds},
             {"elapsed_seconds", self.elapsed().count()}});
    return true;
  });
}

void end_deploy(Daemon& daemon, App& app, const Json& params, Reply reply) {
  const Json result{{"deploy", app.deploy() ? "ended" : "none"}};
  start_and_wait(daemon, app, params, std::move(reply), "deploy", result,
                 [&app](Moulting::Waiter waiter) -> Result<> {
                   app.end_deploy(std::move(waiter));
                   return {};
                 });
}

}  // namespace

void serve_app_commands(control::Methods& methods, Daemon& daemon) {
  const auto one = [&](const char* method, control::NoSelector none_given, auto function) {
    methods.serve(method, [&daemon, none_given, function](const Json& params, Reply reply) {
      control::for_each_app(params, daemon.supervisor().names(), none_given, std::move(reply),
                            [&daemon, params, function](const std::string& name, Reply each) {
                              function(daemon, *daemon.supervisor().find(name), params,
                                       when_saved(daemon, name, std::move(each)));
                            });
    });
  };
  const auto named = [&](const char* method, auto function) {
    serve_named(methods, daemon, method, function);
  };
  one("start", control::NoSelector::is_error, start_app);
  one("stop", control::NoSelector::is_error, stop_app);
  one("reload", control::NoSelector::is_error, [](Daemon& d, App& app, const Json& params, Reply reply) {
    reload_app(d, app, params, std::move(reply), CauseKind::reload);
  });
  one("restart", control::NoSelector::is_error, [](Daemon& d, App& app, const Json& params, Reply reply) {
    reload_app(d, app, params, std::move(reply), CauseKind::restart);
  });
  one("deploy.begin", control::NoSelector::is_error, begin_deploy);
  one("deploy.end", control::NoSelector::is_error, end_deploy);
  for (const auto freeze : {App::Freeze::frozen, App::Freeze::thawed}) {
    const bool frozen = freeze == App::Freeze::frozen;
    one(frozen ? "freeze" : "thaw", control::NoSelector::is_all,
        [freeze, frozen](Daemon&, App& app, const Json&, Reply reply) {
          const bool changed = app.set_frozen(freeze);
          reply.ok({{"app", app.config().name},
                    {"frozen", frozen},
                    {"reload", app.config().reload == Toggle::on},
                    {"outcome", !changed ? "unchanged"
                                : frozen ? "frozen"
                                         : "thawed"}});
        });
  }
  named("check", check_app);
  named("rollback", [](Daemon& d, App& app, const Json& params, Reply reply) {
    roll_back_app(d, app, params, when_saved(d, app.config().name, std::move(reply)));
  });
}

}  // namespace moult
