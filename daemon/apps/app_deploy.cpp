#include "daemon/apps/app.h"
#include "ipc/base/count_of.h"

#include <fmt/format.h>

#include <algorithm>

// Deploys in brackets: from `moultctl deploy begin` to `end` changes on the disk wait, so that one
// generation is made of all of them. Whoever forgets the end is not served old code for ever: the
// deadline ends it. It outlives the daemon; then what served before is served until its end.

namespace moult {

namespace {

// A clock that was set back while the daemon was away must not hold an app for longer.
constexpr Milliseconds kLongestDeploy = std::chrono::hours(24);

std::string minutes(Milliseconds time) {
  const auto seconds = std::chrono::round<std::chrono::seconds>(time).count();
  return seconds % 60 == 0 ? fmt::format("{} min", seconds / 60) : fmt::format("{} s", seconds);
}

}  // namespace

bool App::begin_deploy(Milliseconds longest) {
  const WallTime now = std::chrono::system_clock::now();
  std::optional<Deploy>& deploy = moulting_.record().deploy;
  const bool is_new = !deploy;
  deploy = Deploy{is_new ? now : deploy->since, now + longest};
  lapsed_deploy_.reset();
  settle_.open_bracket(Steady::now() + longest);
  deploy_timer_.start(longest, [this] { on_deploy_lapsed(); });
  moulting_.save_record();
  why_.add(now, {}, "deploy",
           fmt::format("{}; changes wait for its end, at most {}", is_new ? "begun" : "renewed",
                       minutes(longest)));
  services_.log.info(fmt::format("deploy {}: changes wait for its end, at most {}",
                                 is_new ? "begun" : "renewed", minutes(longest)),
                     {{"app", config_.name}});
  services_.events.event("deploy.begun", config_.name, {{"until", rfc3339(deploy->until)}});
  arm_settle();
  return is_new;
}

bool App::end_deploy(Moulting::Waiter waiter) {
  lapsed_deploy_.reset();
  const bool was_open = close_deploy("ended");
  if (was_open) {
    services_.log.info("deploy ended", {{"app", config_.name}});
    services_.events.event("deploy.ended", config_.name,
                           {{"changes", static_cast<std::int64_t>(settle_.pending().files)}});
  }
  // A touch of tmp/restart.txt is the last step of many deploys.
  request(CauseKind::deploy, settle_.pending().forced, {}, std::move(waiter));
  return was_open;
}

bool App::close_deploy(const std::string& how) {
  if (!deploy()) return false;
  deploy_timer_.stop();
  settle_.close_bracket(Steady::now());
  moulting_.record().deploy.reset();
  moulting_.save_record();
  why_.add(std::chrono::system_clock::now(), {}, "deploy", how);
  return true;
}

void App::on_deploy_lapsed() {
  lapsed_deploy_ = deploy();
  const std::size_t count = settle_.pending().files;
  const std::string how =
      fmt::format("ended by itself: no `moultctl deploy end` within its time; {} {} taken up",
                  count_of(count, "changed file"), count == 1 ? "is" : "are");
  close_deploy(how);
  services_.log.warning("deploy " + how, {{"app", config_.name}});
  services_.events.event("deploy.lapsed", config_.name, {{"changes", static_cast<std::int64_t>(count)}});
  arm_settle();
}

// One that was open when the daemon ended.
void App::restore_deploy() {
  if (!deploy()) return;
  const WallTime now = std::chrono::system_clock::now();
  const auto left = std::chrono::ceil<Milliseconds>(deploy()->until - now);
  if (left.count() <= 0) {
    on_deploy_lapsed();
    return;
  }
  const Milliseconds wait = std::min(left, kLongestDeploy);
  settle_.open_bracket(Steady::now() + wait);
  deploy_timer_.start(wait, [this] { on_deploy_lapsed(); });
  services_.log.info(
      fmt::format("a deploy is under way since {}: changes wait for its end", rfc3339(deploy()->since)),
      {{"app", config_.name}});
}

}  // namespace moult
