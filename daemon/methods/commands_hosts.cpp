#include "daemon/daemon.h"
#include "daemon/methods/commands.h"
#include "daemon/methods/pending.h"
#include "daemon/methods/status.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

// What concerns host processes: the list of them, and their replacement.

namespace moult {

using control::Json;
using control::Reply;

namespace {

// Replaces hosts one after the other, so that there is never more than one too many. Shared by the
// polls of its answer.
class Recycling {
 public:
  Recycling(Daemon& daemon, std::vector<int> hosts) : daemon_(daemon), hosts_(std::move(hosts)) { begin(); }

  // True when it has answered: all are gone, or an app refuses to leave.
  bool step(Pending& answer) {
    while (next_ < hosts_.size()) {
      if (const App* app = refusing()) {
        fail(answer, *app);
        return true;
      }
      if (pool().find(hosts_[next_]) != nullptr) return false;
      rows_.push_back(row());
      ++next_;
      begin();
    }
    answer.ok({{"hosts", rows_}});
    return true;
  }

 private:
  HostPool& pool() { return daemon_.supervisor().hosts(); }

  bool lives_here(const App& app) {
    const Host* host = pool().find(hosts_[next_]);
    return host != nullptr && app.moulting().active() != nullptr && app.moulting().active()->lives_on(*host);
  }

  void begin() {
    if (next_ == hosts_.size()) return;
    began_ = Steady::now();
    pid_ = 0;
    apps_.clear();
    Host* host = pool().find(hosts_[next_]);
    if (host == nullptr) return;
    pid_ = host->pid();
    for (const App* app : daemon_.supervisor().apps()) {
      if (lives_here(*app)) apps_.emplace(app->config().name, app->moulting().record().next_generation);
    }
    pool().recycle(*host, "moultctl recycle");
  }

  // An app that did not come up elsewhere.
  const App* refusing() {
    for (const auto& [name, next_generation] : apps_) {
      const App* app = daemon_.supervisor().find(name);
      if (app == nullptr || !app->moulting().last_rejected() || app->moulting().attempt_view()) continue;
      if (app->moulting().last_rejected()->number >= next_generation && lives_here(*app)) return app;
    }
    return nullptr;
  }

  void fail(Pending& answer, const App& app) {
    const auto& rejected = *app.moulting().last_rejected();
    const AttemptOutcome outcome{
        .kind = AttemptOutcome::Kind::rejected,
        .generation = rejected.number,
        .previous = app.moulting().active() != nullptr ? app.moulting().active()->number() : 0,
        .rejection = rejected.rejection};
    answer.fail(rejection_error(outcome), rejection_more(app.config().name, outcome));
  }

  // Where its apps are now; apps of one host can be in several.
  Json row() {
    const Host* replacement = nullptr;
    for (const auto& [name, next_generation] : apps_) {
      const App* app = daemon_.supervisor().find(name);
      if (app == nullptr || app->moulting().active() == nullptr) continue;
      const Host* host = app->moulting().active()->interpreters()[0]->host();
      if (host != nullptr && host->number() != hosts_[next_]) replacement = host;
    }
    return {{"id", hosts_[next_]},
            {"pid", pid_},
            {"replaced_by", replacement != nullptr ? Json(replacement->number()) : Json(nullptr)},
            {"new_pid", replacement != nullptr ? Json(replacement->pid()) : Json(nullptr)},
            {"elapsed_seconds", Seconds(Steady::now() - began_).count()}};
  }

  Daemon& daemon_;
  std::vector<int> hosts_;
  std::size_t next_ = 0;
  SteadyTime began_{};  // of the one under way
  int pid_ = 0;
  std::map<std::string, std::uint64_t> apps_;  // those that must leave it; their next generation
  Json rows_ = Json::array();
};

void recycle(Daemon& daemon, const Json& params, Reply reply) {
  const int wanted = params.value("host", 0);
  std::vector<int> going;
  for (const Host* host : daemon.supervisor().hosts().hosts()) {
    if (wanted == 0 || host->number() == wanted) going.push_back(host->number());
  }
  if (wanted != 0 && going.empty()) {
    Error error{ErrorCode::failed, fmt::format("there is no host {}", wanted)};
    error.hint = "moultctl hosts lists them";
    reply.fail(error);
    return;
  }
  const auto pending = daemon.pending(std::move(reply), timeout_of(params, Seconds(300)), "the recycling");
  const auto recycling = std::make_shared<Recycling>(daemon, std::move(going));
  Pending::poll(pending, [recycling](Pending& self) { return recycling->step(self); });
}

}  // namespace

void serve_host_commands(control::Methods& methods, Daemon& daemon) {
  methods.serve("hosts", [&daemon](const Json&, Reply reply) {
    reply.ok({{"hosts", host_rows(daemon.supervisor(), daemon.supervisor().hosts())}});
  });
  methods.serve("recycle",
                [&daemon](const Json& params, Reply reply) { recycle(daemon, params, std::move(reply)); });
}

}  // namespace moult
