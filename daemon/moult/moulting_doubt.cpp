#include "daemon/moult/moulting.h"
#include "daemon/snapshot/packages.h"

#include <fmt/format.h>

// What a doubt (doubt.h) needs of the attempt: a second look at the disk, and what follows from it.

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

void Moulting::compare_with_disk(std::function<void(bool same, SteadyTime now)> answer) {
  preparing_ = true;
  struct Found {
    Result<SnapshotPtr> snapshot = fail(Error{});
    std::string packages;
  };
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
      [this, alive, serial = attempt_->serial,
       answer = std::move(answer)](const std::shared_ptr<Found>& found) {
        if (alive.expired()) return;
        preparing_ = false;
        if (next_) return begin_next();
        if (stopping_) return;
        const bool same = attempt_ && attempt_->serial == serial && found->snapshot &&
                          !differs(diff(*attempt_->snapshot, **found->snapshot)) &&
                          found->packages == attempt_->packages;
        answer(same, Steady::now());
      });
}

void Moulting::attempt_anew(Cause cause) { attempt(std::move(cause), Purpose::serve, {}, {}); }

void Moulting::on_found_unchanged() {
  why_.add(std::chrono::system_clock::now(), doubt_.last_change(), "same content",
           "as in the generation being made");
  go_on_if_held();
}

void Moulting::dismiss_doubts() {
  if (!attempt_) return;
  if (doubt_.is_overtaken()) {
    attempt(attempt_->cause, attempt_->purpose, {}, {});
  } else if (doubt_.dismiss()) {
    go_on_if_held();
  }
}

void Moulting::on_changes_go_on() {
  services_.log.warning(
      fmt::format("{} has changed during each of the last {} loads; if the app writes it itself, name it in "
                  "`ignore`. Until a load without a change the next ones wait up to {} s",
                  doubt_.last_change(), doubt_.spoiled(), Doubt::kLongestPause.count() / 1000),
      {{"app", config_.name}});
}

}  // namespace moult
