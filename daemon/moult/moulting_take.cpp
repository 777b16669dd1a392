#include "daemon/config/python_choice.h"
#include "daemon/moult/moulting.h"
#include "daemon/snapshot/package_listings.h"
#include "daemon/snapshot/packages.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

// What an attempt is made of: the code and what belongs to it, read in the background, and whether it is
// anything new.

namespace moult {

namespace {

constexpr std::size_t kPruneEvery = 16;  // snapshots that were taken

bool tells_what_changed(CauseKind kind) { return kind == CauseKind::change || kind == CauseKind::deploy; }

}  // namespace

// What the background job of an attempt finds.
struct Moulting::Prepared {
  Result<SnapshotPtr> snapshot = fail(Error{});
  Result<Fd> memfd = fail(Error{});
  std::string packages;
  std::vector<std::string> editable;
  Reach reach = Reach::tree;
  std::string reach_note;
  ResolvedPlace place;
  AppSurroundings surroundings;
  bool same_as_pin = false;  // what the disk held when a roll-back was made
};

void Moulting::take() {
  attempt_->stage = Stage::snapshot;
  if (attempt_->snapshot_id.empty()) doubt_.on_reading();
  preparing_ = true;
  attempt_deadline_.start(config_.start_timeout, [this] {
    if (attempt_->number == 0) attempt_->number = record_.next_generation;
    reject({"snapshot", "the sources could not be read within start_timeout: the file system hangs"});
  });
  const std::uint64_t serial = attempt_->serial;
  SnapshotSpec spec = disk_spec();
  const bool forced = attempt_->cause.forced || attempt_->purpose == Purpose::check;
  const SnapshotPtr active = active_ != nullptr ? active_->snapshot() : nullptr;
  std::weak_ptr<int> alive = alive_;
  uv::compute_in_background<std::shared_ptr<Prepared>>(
      services_.loop, {uv::Work::sources, config_.name},
      [store = store_, spec, id = attempt_->snapshot_id, sites = site_folders_, folders = package_folders_,
       forced, active, active_packages = active_ != nullptr ? active_->packages() : std::string(),
       pin = record_.pinned ? record_.pinned->disk : std::string(), packages = services_.packages,
       place = place_of(config_), config = config_, python = *python_]() mutable {
        auto prepared = std::make_shared<Prepared>();
        prepared->surroundings = surroundings_of(config, python);
        prepared->editable = editable_roots(sites, *packages);
        spec.roots.insert(spec.roots.end(), prepared->editable.begin(), prepared->editable.end());
        if (config.single_file_allowed) prepared->reach_note = reason_for_files_only(spec.tree);
        if (!prepared->reach_note.empty()) prepared->reach = Reach::files;
        spec.reach = prepared->reach;
        prepared->snapshot = id.empty() ? take_snapshot(spec, *store) : store->load(id);
        prepared->packages = fingerprint_packages(folders, *packages).hex();
        prepared->place = std::move(place);
        resolve(prepared->place);
        // The id goes by all sources, also those that were not known to be used then.
        if (prepared->snapshot && !pin.empty()) {
          const auto pinned = store->load(pin);
          prepared->same_as_pin =
              (*prepared->snapshot)->id == pin || (pinned && !differs(diff(**pinned, **prepared->snapshot)));
        }
        // Data files are no part of the id, but a change of them is a change.
        const auto is_wanted = [&] {
          return prepared->snapshot && (forced || !active || prepared->packages != active_packages ||
                                        differs(diff(*active, **prepared->snapshot)));
        };
        if (is_wanted()) prepared->memfd = make_memfd(**prepared->snapshot, *store);
        if (is_wanted() && !prepared->memfd && !id.empty())
          prepared->snapshot = fail(prepared->memfd.error());
        if (is_wanted() && !prepared->memfd) {
          // A kept copy of what is on the disk is damaged: it is written anew.
          store->discard_damaged(**prepared->snapshot);
          prepared->snapshot = take_snapshot(spec, *store);
          if (prepared->snapshot) prepared->memfd = make_memfd(**prepared->snapshot, *store);
        }
        return prepared;
      },
      [this, alive, serial](std::shared_ptr<Prepared> prepared) {
        if (!alive.expired()) on_prepared(serial, std::move(prepared));
      });
}

void Moulting::on_prepared(std::uint64_t serial, std::shared_ptr<Prepared> prepared) {
  preparing_ = false;
  if (next_) {
    begin_next();
    return;
  }
  if (!attempt_ || attempt_->serial != serial) return;
  attempt_deadline_.stop();
  if (doubt_.is_overtaken()) return;
  doubt_.on_read();
  if (!take_surroundings(std::move(prepared->surroundings))) return;
  editable_ = std::move(prepared->editable);
  if (prepared->reach != reach_) {
    reach_ = prepared->reach;
    services_.log.info(fmt::format("only the file and what it imports are watched: {}", prepared->reach_note),
                       {{"app", config_.name}});
  }
  if (!prepared->snapshot) {
    // A tree that cannot be read is rejected like code that cannot be imported.
    const Error& error = prepared->snapshot.error();
    attempt_->lacked_means = is_shortage(error);
    attempt_->number = record_.next_generation;
    reject({"snapshot", error.message, error.detail, error.file, error.line});
    return;
  }
  attempt_->snapshot = *prepared->snapshot;
  attempt_->packages = prepared->packages;
  if (attempt_->snapshot_id.empty()) {
    last_disk_snapshot_ = attempt_->snapshot->id;
    // What is refused or only checked leaves its sources as well, and no switch follows.
    if (++snapshots_taken_ % kPruneEvery == 0) keep_snapshots();
  }
  const bool packages_changed = active_ != nullptr && attempt_->packages != active_->packages();
  attempt_->fresh_host = packages_changed || attempt_->cause.kind == CauseKind::restart;
  attempt_->place = std::move(prepared->place);
  if (active_ != nullptr) {
    const SnapshotDiff difference = diff(*active_->snapshot(), *attempt_->snapshot);
    attempt_->same_as_active = !differs(difference);
    // One process loads an extension module or a library once (dlopen(3) goes by the file, not by its
    // content).
    attempt_->fresh_host |=
        std::any_of(difference.changed.begin(), difference.changed.end(), is_extension_module);
    if (!attempt_->same_as_active && tells_what_changed(attempt_->cause.kind)) {
      attempt_->cause.detail = summary(difference, *attempt_->snapshot);
    }
  }
  const bool same_as_pin = record_.pinned && prepared->same_as_pin;
  const bool must = attempt_->cause.forced || attempt_->purpose == Purpose::check || packages_changed;
  if (!must && active_ != nullptr && (attempt_->same_as_active || same_as_pin)) {
    // The disk holds again what serves: what was refused meanwhile is history.
    if (attempt_->same_as_active && attempt_->snapshot_id.empty()) last_rejected_.reset();
    why_.add(std::chrono::system_clock::now(), attempt_->cause.detail, "same content",
             same_as_pin ? "the disk is as it was when the roll-back was made" : "no file differs");
    services_.events.event("change.ignored", config_.name, {{"reason", "same content"}});
    conclude({.kind = AttemptOutcome::Kind::unchanged,
              .generation = active_->number(),
              .previous = active_->number()});
    return;
  }
  if (packages_changed && attempt_->same_as_active && tells_what_changed(attempt_->cause.kind)) {
    attempt_->cause.detail = "installed packages";
  }
  if (!prepared->memfd) {
    fail_attempt(prepared->memfd.error());
    return;
  }
  attempt_->memfd = std::make_shared<Fd>(std::move(*prepared->memfd));
  if (attempt_->snapshot_id.empty() && record_.pinned && attempt_->purpose == Purpose::serve)
    record_.pinned.reset();
  attempt_->number = attempt_->purpose == Purpose::check ? 0 : record_.next_generation++;
  for (const std::string& note : attempt_->snapshot->notes) {
    services_.log.warning(note, {{"app", config_.name}});
  }
  make();
}

// False: the attempt has ended, or begins again with the Python that is there now.
bool Moulting::take_surroundings(AppSurroundings surroundings) {
  const std::string before = std::exchange(python_file_, std::move(surroundings.python_file));
  if (!before.empty() && before != python_file_) {
    services_.probes.forget(python_of(config_));
    ask_python();
    return false;
  }
  if (surroundings.fault) {
    fail_attempt(std::move(*surroundings.fault));
    return false;
  }
  unread_env_file_ = std::move(surroundings.unread_env_file);
  file_environment_ = std::move(surroundings.file_environment);
  environment_ = environment_of(config_, daemon_environment(), file_environment_);
  return true;
}

}  // namespace moult
