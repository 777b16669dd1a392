#include "daemon/apps/app.h"
#include "daemon/moult/app_settings.h"
#include "daemon/watch/writers.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

// What an app does about changes on the disk: which are watched, and what comes of them.

namespace moult {

namespace {

CauseKind cause_of(const ChangeBatch& batch) {
  for (const Change& change : batch.changes) {
    if (change.kind == ChangeKind::restart_file) return CauseKind::restart_file;
  }
  return CauseKind::change;
}

// The file that a touch was of, else the last of those that changed; relative to the tree.
std::string detail_of(const ChangeBatch& batch, CauseKind kind, const std::string& tree) {
  if (batch.changes.empty()) return {};
  std::string path = batch.changes.back().path;
  for (const Change& change : batch.changes) {
    if (kind == CauseKind::restart_file && change.kind == ChangeKind::restart_file) path = change.path;
  }
  if (path.starts_with(tree + "/")) path.erase(0, tree.size() + 1);
  std::set<std::string_view> paths;  // a touch of one file is told twice, as a change and as a closing
  for (const Change& change : batch.changes) paths.insert(change.path);
  const std::size_t more = paths.size() - 1;
  return kind == CauseKind::restart_file || more == 0 ? path : fmt::format("{} and {} more", path, more);
}

}  // namespace

void App::on_files_used(Generation& generation, const std::vector<std::string>& files) {
  // Those of a generation on its way out wake nobody any more.
  const GenerationState state = generation.state();
  if (state == GenerationState::draining || state == GenerationState::standby || is_final(state)) return;
  watch_files_used(files);
}

void App::watch_files_used(const std::vector<std::string>& files) {
  if (!watcher_) return;
  std::vector<std::string> code;
  std::vector<std::string> data;
  for (const std::string& file : files) (is_code_file(file) ? code : data).push_back(file);
  if (!code.empty()) watcher_->add_files(code, FileRole::imported);
  if (!data.empty()) watcher_->add_files(data, FileRole::opened);
}

void App::on_files_written(const std::vector<std::string>& files) {
  if (watcher_) watcher_->add_files(files, FileRole::written);
}

void App::on_change(const Change& change) {
  if (change.kind == ChangeKind::vcs_lock_taken || change.kind == ChangeKind::vcs_lock_released) {
    settle_.on_change(change);
    arm_settle();
    return;
  }
  last_change_ = std::chrono::system_clock::now();
  services_.events.event("change.seen", config_.name,
                         {{"files", std::vector<std::string>{change.path}}, {"count", std::int64_t{1}}});
  const bool off = config_.reload == Toggle::off;
  if (off && change.kind != ChangeKind::restart_file) {
    why_.add(last_change_, change.path, "ignored", "reload is off");
    services_.events.event("change.ignored", config_.name, {{"reason", "reload off"}});
    return;
  }
  settle_.on_change(change);
  if (settle_.is_frozen()) {
    why_.add(last_change_, change.path, "frozen", "moultctl thaw applies it");
    services_.events.event("change.ignored", config_.name, {{"reason", "frozen"}});
    return;
  }
  if (const std::string holder = settle_.held_by(change.when); !holder.empty())
    why_.add(last_change_, change.path, "waiting", holder);
  moulting_.on_change_seen(change.path);
  arm_settle();
}

void App::arm_settle() {
  tell_prospect();
  const SteadyTime now = Steady::now();
  if (settle_.is_due(now)) {
    if (now >= moulting_.not_before()) {
      on_settled();
    } else {
      settle_timer_.start(std::chrono::ceil<Milliseconds>(moulting_.not_before() - now),
                          [this] { arm_settle(); });
    }
    return;
  }
  if (std::vector<std::string> files = settle_.take_doubts(now); !files.empty())
    ask_who_writes(std::move(files));
  auto at = settle_.next_deadline();
  if (const auto doubt = settle_.next_doubt(); doubt && at) at = std::min(*at, *doubt);
  if (at) {
    const auto wait = std::chrono::ceil<Milliseconds>(*at - now);
    settle_timer_.start(wait, [this] { arm_settle(); });
  }
}

// Those that nobody has open wait no longer; of the others there will be another event.
void App::ask_who_writes(std::vector<std::string> files) {
  std::weak_ptr<int> alive = alive_;
  uv::compute_in_background<std::vector<std::string>>(
      services_.loop, {uv::Work::other, config_.name},
      [files = std::move(files)] { return files_without_writer(files); },
      [this, alive](const std::vector<std::string>& free) {
        if (alive.expired()) return;
        settle_.on_nobody_writes(free);
        arm_settle();
      });
}

void App::on_settled() {
  const ChangeBatch batch = settle_.take();
  const CauseKind kind = cause_of(batch);
  const std::string detail = detail_of(batch, kind, config_.tree);
  std::vector<std::string> files;
  for (const Change& change : batch.changes) {
    if (files.size() < 10) files.push_back(change.path);
  }
  services_.events.event("change.settled", config_.name,
                         {{"files", std::move(files)}, {"count", static_cast<std::int64_t>(batch.count)}});
  moulting_.on_change_settled({kind, detail, batch.forced});
}

// Watches the app as it is now; a watcher that fits stays.
void App::watch(const std::vector<std::string>& packages) {
  WatchSpec spec = watch_spec(config_, packages, moulting_.editable(), moulting_.reach());
  if (watcher_ && spec == watched_) return;
  const std::string tree = spec.tree;
  watched_ = spec;
  watcher_ = std::make_unique<TreeWatcher>(services_.loop, services_.inotify, std::move(spec), why_,
                                           [this](const Change& change) { on_change(change); });
  if (const Generation* active = moulting_.active(); active != nullptr) {
    watch_files_used({active->files_used().begin(), active->files_used().end()});
  }
  watcher_->add_files({moulting_.written().begin(), moulting_.written().end()}, FileRole::written);
  watcher_->start([this, tree] {
    settle_.keep_locks(watcher_->held_locks(), Steady::now());
    if (awaiting_watch_) {
      begin_start();
      return;
    }
    // It took the place of another one: something may have changed between the two.
    on_change({tree, ChangeKind::source, Steady::now()});
  });
}

}  // namespace moult
