#include "daemon/methods/status.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

// Why an app is as it is, and what can be done about it.

namespace moult {

using control::Json;

std::vector<std::string> hints_of(const App& app) {
  std::vector<std::string> hints;
  const auto& rejected = app.moulting().last_rejected();
  if (rejected) {
    const Rejection& why = rejected->rejection;
    hints.push_back(why.file.empty() ? "mend it and save: the next change tries again"
                                     : fmt::format("mend {} line {} and save: the next change tries again",
                                                   why.file, why.line));
  }
  if (app.moulting().stalled() != nullptr) {
    hints.push_back(
        fmt::format("mend what keeps the GIL and save, or moultctl restart {}: either serves away from it",
                    app.config().name));
  }
  if (app.moulting().active() == nullptr && !rejected && app.state() == AppState::stopped) {
    hints.push_back(fmt::format("moultctl start {} takes it into service", app.config().name));
  }
  if (app.moulting().record().pinned) {
    hints.push_back(fmt::format("moultctl thaw {} goes back to the code on the disk", app.config().name));
  }
  if (app.deploy())
    hints.push_back(fmt::format("moultctl deploy end {} takes up what has changed", app.config().name));
  if (app.is_frozen())
    hints.push_back(fmt::format("moultctl thaw {} applies what has changed", app.config().name));
  if (app.disk_may_differ()) {
    hints.push_back(
        fmt::format("moultctl diff {0} active disk shows what has changed; moultctl reload {0} takes it up",
                    app.config().name));
  }
  return hints;
}

Json why_page(const App& app) {
  const Moulting& moulting = app.moulting();
  const Generation* active = moulting.active();
  std::string waiting = app.settle().waits_for(Steady::now());
  if (waiting.empty()) waiting = moulting.waiting_for();
  std::string answer;
  if (active != nullptr) {
    answer = fmt::format("generation {} serves since {}: {}", active->number(),
                         rfc3339(active->record().activated), describe(active->record().cause));
  } else {
    answer = fmt::format("nothing serves: {} is {}", app.config().name, to_string(app.state()));
  }
  if (moulting.last_rejected() || moulting.stalled() != nullptr) answer += "; " + app.note();
  if (!waiting.empty()) answer += fmt::format("; the next attempt waits: {}", waiting);
  Json history = Json::array();
  for (const WhyEntry& entry : app.why().entries()) {
    std::string text = entry.path;
    if (!entry.rule.empty()) text += fmt::format("{}{}", text.empty() ? "" : ": ", entry.rule);
    if (entry.count > 1) text += fmt::format(" ({} times)", entry.count);
    history.push_back({{"time", rfc3339(entry.time)}, {"event", entry.what}, {"text", text}});
  }
  std::vector<std::string> facts;
  const WatchStatus watch = app.watch_status();
  facts.push_back(fmt::format("watching: {}, {} file{} in {} folder{}", app.watch_word(), watch.files,
                              watch.files == 1 ? "" : "s", watch.folders, watch.folders == 1 ? "" : "s"));
  if (!watch.note.empty()) facts.push_back(watch.note);
  if (const std::string apart = app.apart(); !apart.empty())
    facts.push_back("it lives apart from other apps: " + apart);
  if (const auto& deploy = app.deploy()) {
    facts.push_back(fmt::format("deploy bracket: open since {}, until {} at most; {}", rfc3339(deploy->since),
                                rfc3339(deploy->until), app.settle().pending_text()));
  }
  if (const auto attempt = moulting.attempt_view()) {
    facts.push_back(
        fmt::format("an attempt is under way ({}): {}", attempt->stage, describe(attempt->cause)));
  }
  std::vector<std::string> hints = hints_of(app);
  hints.push_back(fmt::format("moultctl reload {} makes a new generation in any case", app.config().name));
  return {{"app", app.config().name},
          {"state", to_string(app.state())},
          {"answer", answer},
          {"facts", facts},
          {"waiting_for", waiting},
          {"history", history},
          {"hints", hints}};
}

}  // namespace moult
