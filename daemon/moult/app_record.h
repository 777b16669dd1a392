#pragma once

#include "daemon/serve/generation.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace moult {

// A generation and the snapshot that it was made from.
struct SnapshotMark {
  std::uint64_t generation = 0;
  std::string snapshot;
  std::string disk;  // of a pin: the snapshot of what was on the disk when it was set
  bool operator==(const SnapshotMark&) const = default;
};

// A deploy bracket (`moultctl deploy begin`): changes wait from `since` to its end, at most to `until`.
struct Deploy {
  WallTime since{};
  WallTime until{};
  bool operator==(const Deploy&) const = default;
};

// What the daemon remembers of an app over its own restart: FOLDER/state.json. A value; written in
// the background after each change of generation.
struct AppRecord {
  std::uint64_t next_generation = 1;
  std::optional<SnapshotMark> active;  // that was active last
  std::optional<SnapshotMark> pinned;
  bool stopped = false;
  bool frozen = false;
  std::optional<Deploy> deploy;
  Verdict verdict = Verdict::none;
  std::string verdict_reason;
  std::string packages;                              // fingerprint that the verdict and `active` belong to
  std::map<std::string, std::string> c_environment;  // TZ, LC_ALL… that the app asked its process for
  std::vector<std::string> preimport;     // extensions that leak unless the main interpreter has them
  std::vector<GenerationRecord> history;  // oldest first, at most kHistory

  static constexpr std::size_t kHistory = 30;
  // Adds or replaces by number. Of too many goes the oldest that never served, else the oldest whose code a
  // newer one has too, or that has none left to go back to, else the oldest.
  void remember(const GenerationRecord& record);
  // The active snapshot, the pinned one, and the `most` others that served last; each named once.
  std::vector<std::string> snapshots_to_keep(std::size_t most) const;
};

std::string encode_record(const AppRecord& record);
// ErrorCode::failed when it is damaged: the app starts as if it were new.
Result<AppRecord> decode_record(std::string_view text);

}  // namespace moult
