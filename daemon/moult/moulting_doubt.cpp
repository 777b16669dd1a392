#include "daemon/moult/moulting.h"
#include "daemon/snapshot/packages.h"

#include <fmt/format.h>

// What becomes of an attempt in doubt (doubt.h): when the changes have settled, a second snapshot tells
// whether it still is what the disk holds. A file that was written again with the same content, as some
// apps do while they are loaded, costs nothing then.

namespace moult {

SnapshotSpec Moulting::disk_spec() const {
  SnapshotSpec spec = snapshot_spec(config_, {}, Reach::tree);
  const Generation* making = attempt_ ? attempt_->generation : nullptr;
  for (const Generation* generation : {static_cast<const Generation*>(active_), making}) {
    if (generation == nullptr) continue;
    add_code_used(generation->files_used(), generation->snapshot()->roots, spec);
  }
  if (active_ != nullptr && config_.watch_templates) add_data_used(active_->files_used(), written_, spec);
  return spec;
}

void Moulting::on_change_seen(const std::string& path) {
  if (!attempt_ || attempt_->stale || !attempt_->snapshot_id.empty() || attempt_->stage == Stage::python)
    return;
  doubt_.on_change(path);
  if (attempt_->stage != Stage::snapshot) return;
  attempt_->stale = true;  // nothing has been made yet: the next snapshot will be as good
  doubt_.judge_all();
}

bool Moulting::must_wait_for_settle() {
  if (!is_in_doubt()) {
    doubt_.on_load_without_change();
    return false;
  }
  if (doubt_.may_pass()) {
    count_spoiled();
    doubt_.judge_all();
    return false;
  }
  waiting_for_ = fmt::format("{} changed meanwhile", doubt_.last_change());
  return true;
}

void Moulting::on_change_settled(Cause cause) {
  const bool can_verify = is_in_doubt() && !attempt_->stale && !preparing_ && !cause.forced;
  if (can_verify) {
    verify(std::move(cause));
    return;
  }
  if (is_in_doubt()) count_spoiled();
  attempt(std::move(cause), Purpose::serve, {}, {});
}

void Moulting::verify(Cause cause) {
  preparing_ = true;
  struct Found {
    Result<SnapshotPtr> snapshot = fail(Error{});
    std::string packages;
  };
  const std::uint64_t serial = attempt_->serial;
  const int judged = doubt_.changes();
  std::weak_ptr<int> alive = alive_;
  SnapshotSpec spec = disk_spec();
  spec.roots.insert(spec.roots.end(), editable_.begin(), editable_.end());
  spec.reach = reach_;
  uv::compute_in_background<std::shared_ptr<Found>>(
      services_.loop, {uv::Work::sources, config_.name},
      [store = store_, spec = std::move(spec), folders = package_folders_, packages = services_.packages] {
        auto found = std::make_shared<Found>();
        found->snapshot = take_snapshot(spec, *store);
        found->packages = fingerprint_packages(folders, *packages).hex();
        return found;
      },
      [this, alive, serial, judged, cause = std::move(cause)](const std::shared_ptr<Found>& found) {
        if (alive.expired()) return;
        preparing_ = false;
        const bool same = attempt_ && attempt_->serial == serial && found->snapshot &&
                          !differs(diff(*attempt_->snapshot, **found->snapshot)) &&
                          found->packages == attempt_->packages;
        on_verified(serial, judged, cause, same);
      });
}

void Moulting::on_verified(std::uint64_t serial, int judged, const Cause& cause, bool same) {
  if (next_) {
    begin_next();
    return;
  }
  if (stopping_) return;
  if (attempt_ && attempt_->serial != serial) return;  // begun later, so it has seen the change
  if (!same || attempt_->stale) {
    if (attempt_) count_spoiled();
    attempt(cause, Purpose::serve, {}, {});
    return;
  }
  doubt_.judge(judged);
  why_.add(std::chrono::system_clock::now(), doubt_.last_change(), "same content",
           "as in the generation being made");
  if (attempt_->stage == Stage::hold && attempt_->generation != nullptr) hold_or_switch();
}

void Moulting::dismiss_doubts() {
  if (!attempt_) return;
  if (attempt_->stale) {
    attempt(attempt_->cause, attempt_->purpose, {}, {});
    return;
  }
  if (!is_in_doubt()) return;
  doubt_.judge_all();
  if (attempt_->stage == Stage::hold && attempt_->generation != nullptr) hold_or_switch();
}

void Moulting::count_spoiled() {
  if (!doubt_.spoil(Steady::now())) return;
  services_.log.warning(
      fmt::format("{} has changed during each of the last {} loads; if the app writes it itself, name it in "
                  "`ignore`. Until a load without a change the next ones wait up to {} s",
                  doubt_.last_change(), doubt_.spoiled(), Doubt::kLongestPause.count() / 1000),
      {{"app", config_.name}});
}

}  // namespace moult
