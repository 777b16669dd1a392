#include "daemon/moult/app_record.h"

#include "ipc/base/json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace moult {

namespace {

using Json = nlohmann::json;

std::int64_t to_number(WallTime time) {
  return std::chrono::duration_cast<Milliseconds>(time.time_since_epoch()).count();
}

WallTime to_time(std::int64_t milliseconds) { return WallTime(Milliseconds(milliseconds)); }

constexpr std::array kCauses{CauseKind::start,   CauseKind::change,       CauseKind::reload,
                             CauseKind::restart, CauseKind::restart_file, CauseKind::rollback,
                             CauseKind::recycle, CauseKind::host_lost,    CauseKind::settings,
                             CauseKind::check,   CauseKind::deploy,       CauseKind::isolation};

CauseKind cause_of(const std::string& word) {
  const auto found =
      std::find_if(kCauses.begin(), kCauses.end(), [&](CauseKind kind) { return to_string(kind) == word; });
  return found == kCauses.end() ? CauseKind::start : *found;
}

// A generation of an earlier daemon is over, whatever its last written state was.
GenerationState ended_state(const std::string& word) {
  for (const GenerationState state :
       {GenerationState::rejected, GenerationState::abandoned, GenerationState::lost}) {
    if (to_string(state) == word) return state;
  }
  return GenerationState::retired;
}

Json mark_to_json(const std::optional<SnapshotMark>& mark) {
  if (!mark) return nullptr;
  return {{"generation", mark->generation}, {"snapshot", mark->snapshot}, {"disk", mark->disk}};
}

std::optional<SnapshotMark> mark_from_json(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  return SnapshotMark{json.value("generation", std::uint64_t{0}), json.value("snapshot", ""),
                      json.value("disk", "")};
}

Json deploy_to_json(const std::optional<Deploy>& deploy) {
  if (!deploy) return nullptr;
  return {{"since", to_number(deploy->since)}, {"until", to_number(deploy->until)}};
}

std::optional<Deploy> deploy_from_json(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  return Deploy{to_time(json.value("since", std::int64_t{0})), to_time(json.value("until", std::int64_t{0}))};
}

Json generation_to_json(const GenerationRecord& record) {
  return {{"number", record.number},
          {"cause", to_string(record.cause.kind)},
          {"detail", record.cause.detail},
          {"snapshot", record.snapshot},
          {"tree", record.tree},
          {"commit", record.commit},
          {"created", to_number(record.created)},
          {"activated", to_number(record.activated)},
          {"replaced", to_number(record.replaced)},
          {"ended", to_number(record.ended)},
          {"make_seconds", record.make_seconds},
          {"state", to_string(record.state)},
          {"isolation", record.isolation},
          {"python", record.python},
          {"callable", record.callable},
          {"files", record.files},
          {"calls", record.calls},
          {"drain_killed", record.drain_killed},
          {"drain_seconds", record.drain_seconds},
          {"stage", record.rejection.stage},
          {"error", record.rejection.error},
          {"traceback", record.rejection.traceback},
          {"file", record.rejection.file},
          {"line", record.rejection.line}};
}

GenerationRecord generation_from_json(const Json& json) {
  GenerationRecord record;
  record.number = json.value("number", std::uint64_t{0});
  record.cause.kind = cause_of(json.value("cause", ""));
  record.cause.detail = json.value("detail", "");
  record.snapshot = json.value("snapshot", "");
  record.tree = json.value("tree", "");
  record.commit = json.value("commit", "");
  record.created = to_time(json.value("created", std::int64_t{0}));
  record.activated = to_time(json.value("activated", std::int64_t{0}));
  record.replaced = to_time(json.value("replaced", std::int64_t{0}));
  record.ended = to_time(json.value("ended", std::int64_t{0}));
  record.make_seconds = json.value("make_seconds", 0.0);
  record.state = ended_state(json.value("state", ""));
  record.isolation = json.value("isolation", "");
  record.python = json.value("python", "");
  record.callable = json.value("callable", "");
  record.files = json.value("files", std::size_t{0});
  record.calls = json.value("calls", std::uint64_t{0});
  record.drain_killed = json.value("drain_killed", std::uint64_t{0});
  record.drain_seconds = json.value("drain_seconds", 0.0);
  record.rejection.stage = json.value("stage", "");
  record.rejection.error = json.value("error", "");
  record.rejection.traceback = json.value("traceback", "");
  record.rejection.file = json.value("file", "");
  record.rejection.line = json.value("line", 0);
  return record;
}

}  // namespace

void AppRecord::remember(const GenerationRecord& record) {
  const auto found = std::find_if(history.begin(), history.end(),
                                  [&](const GenerationRecord& kept) { return kept.number == record.number; });
  if (found != history.end()) {
    *found = record;
    return;
  }
  const auto later = std::find_if(history.begin(), history.end(),
                                  [&](const GenerationRecord& kept) { return kept.number > record.number; });
  history.insert(later, record);
  if (history.size() <= kHistory) return;
  // Those that served can be gone back to: they are kept for longest.
  auto least = std::find_if(history.begin(), history.end(),
                            [](const GenerationRecord& kept) { return kept.activated == WallTime{}; });
  if (least == history.end()) {
    least = std::find_if(history.begin(), history.end(), [&](const GenerationRecord& kept) {
      return kept.snapshot.empty() ||
             std::any_of(history.begin(), history.end(), [&](const GenerationRecord& other) {
               return other.number > kept.number && other.snapshot == kept.snapshot;
             });
    });
  }
  history.erase(least != history.end() ? least : history.begin());
}

std::vector<std::string> AppRecord::snapshots_to_keep(std::size_t most) const {
  std::vector<std::string> keep;
  const auto add = [&](const std::string& id) {
    if (!id.empty() && std::find(keep.begin(), keep.end(), id) == keep.end()) keep.push_back(id);
  };
  if (active) add(active->snapshot);
  if (pinned) add(pinned->snapshot);
  const std::size_t end = keep.size() + most;
  for (auto record = history.rbegin(); record != history.rend() && keep.size() < end; ++record) {
    if (record->activated != WallTime{}) add(record->snapshot);
  }
  return keep;
}

std::string encode_record(const AppRecord& record) {
  Json history = Json::array();
  for (const GenerationRecord& generation : record.history) history.push_back(generation_to_json(generation));
  const Json json{{"version", 1},
                  {"next_generation", record.next_generation},
                  {"active", mark_to_json(record.active)},
                  {"pinned", mark_to_json(record.pinned)},
                  {"stopped", record.stopped},
                  {"frozen", record.frozen},
                  {"deploy", deploy_to_json(record.deploy)},
                  {"needs_process", record.verdict == Verdict::needs_process},
                  {"verdict_reason", record.verdict_reason},
                  {"packages", record.packages},
                  {"c_environment", record.c_environment},
                  {"preimport", record.preimport},
                  {"history", history}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<AppRecord> decode_record(std::string_view text) {
  try {
    const auto parsed = parse_json(text);
    if (!parsed)
      return fail(Error{ErrorCode::failed, "the app's state file is damaged", parsed.error().message});
    const Json& json = *parsed;
    AppRecord record;
    // A signed type: a negative number would become a huge one without an error.
    const auto next = json.at("next_generation").get<std::int64_t>();
    if (next < 1) return fail(Error{ErrorCode::failed, "the app's state file is damaged", "next_generation"});
    record.next_generation = static_cast<std::uint64_t>(next);
    record.active = mark_from_json(json.value("active", Json()));
    record.pinned = mark_from_json(json.value("pinned", Json()));
    record.stopped = json.value("stopped", false);
    record.frozen = json.value("frozen", false);
    record.deploy = deploy_from_json(json.value("deploy", Json()));
    record.verdict = json.value("needs_process", false) ? Verdict::needs_process : Verdict::none;
    record.verdict_reason = json.value("verdict_reason", "");
    record.packages = json.value("packages", "");
    record.c_environment = json.value("c_environment", std::map<std::string, std::string>{});
    record.preimport = json.value("preimport", std::vector<std::string>{});
    for (const Json& generation : json.value("history", Json::array())) {
      record.remember(generation_from_json(generation));
    }
    return record;
  } catch (const Json::exception& error) {
    return fail(Error{ErrorCode::failed, "the app's state file is damaged", error.what()});
  }
}

}  // namespace moult
