#include "daemon/moult/moulting.h"
#include "daemon/snapshot/packages.h"

#include <fmt/format.h>

#include <algorithm>

// Changes that come while a generation is being made. They put it in doubt; when they have settled, a
// second snapshot tells whether it still is what the disk holds. A file that was written again with
// the same content, as some apps do while they are loaded, costs nothing then. An app that writes
// something new each time would never get anywhere: after a few such attempts one passes, and the
// next ones come ever later, until there is a load without a change.

namespace moult {

namespace {

constexpr Milliseconds kLongestPause{60'000};

}  // namespace

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
  last_change_ = path;
  if (attempt_->stage == Stage::snapshot) {
    attempt_->stale = true;  // nothing has been made yet: the next snapshot will be as good
  } else {
    ++attempt_->changes_seen;
  }
}

bool Moulting::must_wait_for_settle() {
  if (!is_in_doubt()) {
    spoiled_ = 0;
    return false;
  }
  if (spoiled_ >= kSpoiledMax) {
    count_spoiled();
    attempt_->changes_judged = attempt_->changes_seen;
    return false;
  }
  waiting_for_ = fmt::format("{} changed meanwhile", last_change_);
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
  const int judged = attempt_->changes_seen;
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
  attempt_->changes_judged = judged;
  why_.add(std::chrono::system_clock::now(), last_change_, "same content", "as in the generation being made");
  if (attempt_->stage == Stage::hold && attempt_->generation != nullptr) hold_or_switch();
}

void Moulting::dismiss_doubts() {
  if (!attempt_) return;
  if (attempt_->stale) {
    attempt(attempt_->cause, attempt_->purpose, {}, {});
    return;
  }
  if (!is_in_doubt()) return;
  attempt_->changes_judged = attempt_->changes_seen;
  if (attempt_->stage == Stage::hold && attempt_->generation != nullptr) hold_or_switch();
}

void Moulting::count_spoiled() {
  ++spoiled_;
  if (spoiled_ < kSpoiledMax) return;
  const Milliseconds pause =
      std::min(kLongestPause, Milliseconds(1'000) * (1 << std::min(spoiled_ - kSpoiledMax, 6)));
  not_before_ = Steady::now() + pause;
  if (spoiled_ != kSpoiledMax) return;
  services_.log.warning(
      fmt::format("{} has changed during each of the last {} loads; if the app writes it itself, name it in "
                  "`ignore`. Until a load without a change the next ones wait up to {} s",
                  last_change_, spoiled_, kLongestPause.count() / 1000),
      {{"app", config_.name}});
}

}  // namespace moult
