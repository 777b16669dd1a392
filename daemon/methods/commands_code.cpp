#include "daemon/daemon.h"
#include "daemon/methods/commands.h"
#include "daemon/methods/status.h"
#include "daemon/snapshot/compare.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <memory>
#include <set>

// What code a generation has: how its sources differ from another's, and what it has imported.

namespace moult {

using control::Json;
using control::Reply;

namespace {

constexpr std::size_t kFilesMax = 2'000;       // in one answer
constexpr std::size_t kComparisonsAtOnce = 4;  // each may read a whole tree

// One of the two that are compared: a generation, or what the disk holds now.
struct Side {
  std::optional<GenerationRecord> generation;
  SnapshotSpec disk;  // what to read when there is none
};

// A comparison for the background: all that it needs, by value.
struct Comparison {
  std::string app;
  Side from;
  Side to;
  std::vector<GenerationRecord> known;
  std::shared_ptr<SnapshotStore> store;
};

Error nothing_serves(const std::string& app) {
  return {ErrorCode::not_running, fmt::format("no generation of {} serves", app)};
}

// The one that served before the active one, with other code.
Result<GenerationRecord> previous_of(const App& app) {
  const Generation* active = app.moulting().active();
  if (active == nullptr) return fail(nothing_serves(app.config().name));
  if (const Generation* standby = app.moulting().standby()) return standby->record();
  for (const GenerationRecord& record : known_generations(app)) {
    const bool served_before = record.number < active->number() && record.activated != WallTime{};
    if (served_before && !record.snapshot.empty() && record.snapshot != active->record().snapshot)
      return record;
  }
  return fail(Error{ErrorCode::failed, fmt::format("no generation of {} with other code is kept from before",
                                                   app.config().name)});
}

Result<Side> find_side(const App& app, const std::string& word) {
  const std::string& name = app.config().name;
  if (word == "disk") {
    Side side{std::nullopt, app.moulting().disk_spec()};
    const auto& editable = app.moulting().editable();
    side.disk.roots.insert(side.disk.roots.end(), editable.begin(), editable.end());
    side.disk.reach = app.moulting().reach();
    return side;
  }
  if (word == "active") {
    const Generation* active = app.moulting().active();
    if (active == nullptr) return fail(nothing_serves(name));
    return Side{active->record(), {}};
  }
  if (word == "previous") {
    MOULT_ASSIGN(GenerationRecord record, previous_of(app));
    return Side{std::move(record), {}};
  }
  if (word == "standby") {
    const Generation* standby = app.moulting().standby();
    if (standby == nullptr) return fail(Error{ErrorCode::failed, fmt::format("{} has no standby", name)});
    return Side{standby->record(), {}};
  }
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size()) {
    Error wrong{ErrorCode::usage, fmt::format("\"{}\" names no generation", word)};
    wrong.hint = "give a number, `active`, `standby`, `previous` or `disk`";
    return fail(std::move(wrong));
  }
  for (GenerationRecord& record : known_generations(app)) {
    if (record.number == number) return Side{std::move(record), {}};
  }
  Error unknown{ErrorCode::failed, fmt::format("{} has no generation {}", name, number)};
  unknown.hint = fmt::format("`moultctl generations {}` lists them", name);
  return fail(std::move(unknown));
}

// Blocks, as the rest down to compare().
Error not_kept(const Comparison& comparison, std::uint64_t number, const Error& cause) {
  const std::vector<std::string> ids = comparison.store->list();
  const std::set<std::string> there(ids.begin(), ids.end());
  std::vector<std::uint64_t> kept;
  for (const GenerationRecord& record : comparison.known) {
    if (there.contains(record.snapshot)) kept.push_back(record.number);
  }
  Error error{ErrorCode::failed,
              fmt::format("the sources of generation {} of {} are not kept", number, comparison.app),
              cause.message};
  error.hint = kept.empty() ? "none are" : fmt::format("kept are those of: {}", fmt::join(kept, ", "));
  return error;
}

Result<SnapshotPtr> sources_of(const Comparison& comparison, const Side& side) {
  if (!side.generation) return look_at_tree(side.disk);
  const GenerationRecord& record = *side.generation;
  if (record.snapshot.empty()) return fail(not_kept(comparison, record.number, {}));
  auto loaded = comparison.store->load(record.snapshot);
  if (!loaded) return fail(not_kept(comparison, record.number, loaded.error()));
  return loaded;
}

Json side_row(const Side& side, const Snapshot& snapshot) {
  const std::string& commit = side.generation ? side.generation->commit : snapshot.commit;
  return {{"generation", side.generation ? Json(side.generation->number) : Json(nullptr)},
          {"snapshot", snapshot.id.substr(0, 12)},
          {"vcs_commit", commit.substr(0, 12)},
          {"root", snapshot.root},
          {"files", snapshot.source_count}};
}

// A file's size and where its content can be read: "" for data files of a snapshot, of which only the
// hash is kept.
Json content_row(const Comparison& comparison, const Side& side, const SnapshotFile* file) {
  if (file == nullptr) return nullptr;
  std::string at = side.generation ? comparison.store->object_path(file->hash) : file->path;
  if (side.generation && file->kind == SnapshotKind::data) at.clear();
  return {{"size", file->size}, {"hash", file->hash.short_hex()}, {"content", at}};
}

Result<Json> compare(const Comparison& comparison) {
  MOULT_ASSIGN(const SnapshotPtr from, sources_of(comparison, comparison.from));
  MOULT_ASSIGN(const SnapshotPtr to, sources_of(comparison, comparison.to));
  const std::vector<FileChange> changes = changes_between(*from, *to);
  Json rows = Json::array();
  for (const FileChange& change : changes) {
    if (rows.size() == kFilesMax) break;
    rows.push_back({{"path", change.path},
                    {"change", change.before == nullptr  ? "added"
                               : change.after == nullptr ? "removed"
                                                         : "changed"},
                    {"before", content_row(comparison, comparison.from, change.before)},
                    {"after", content_row(comparison, comparison.to, change.after)}});
  }
  const std::size_t left_out = changes.size() - rows.size();
  return Json{{"app", comparison.app},
              {"from", side_row(comparison.from, *from)},
              {"to", side_row(comparison.to, *to)},
              {"files", std::move(rows)},
              {"left_out", left_out}};
}

// `running`: how many there are, of all apps.
void diff_generations(const std::shared_ptr<std::size_t>& running, Daemon& daemon, App& app,
                      const Json& params, Reply reply) {
  auto from = find_side(app, params.value("from", "previous"));
  auto to = find_side(app, params.value("to", "active"));
  if (!from || !to) {
    reply.fail(from ? to.error() : from.error());
    return;
  }
  if (*running >= kComparisonsAtOnce) {
    reply.fail({ErrorCode::failed, fmt::format("{} comparisons are under way", kComparisonsAtOnce)});
    return;
  }
  ++*running;
  Comparison comparison{app.config().name, std::move(*from), std::move(*to), known_generations(app),
                        app.moulting().store()};
  const auto shared = std::make_shared<Reply>(std::move(reply));
  using Compared = std::shared_ptr<Result<Json>>;
  uv::compute_in_background<Compared>(
      daemon.loop(), {uv::Work::other, app.config().name},
      [comparison = std::move(comparison)] { return std::make_shared<Result<Json>>(compare(comparison)); },
      [shared, running](const Compared& compared) {
        --*running;
        if (*compared) {
          shared->ok(**compared);
        } else {
          shared->fail(compared->error());
        }
      });
}

// ---- imports

bool can_be_asked(const Interpreter& interpreter) {
  const auto state = interpreter.state();
  return interpreter.host() != nullptr &&
         (state == Interpreter::State::making || state == Interpreter::State::made);
}

// The interpreter of that generation, or of the active one, that is asked: all have imported the same but
// for what requests led to.
Result<std::pair<const Generation*, const Interpreter*>> find_living(const App& app,
                                                                     std::optional<std::uint64_t> number) {
  const Generation* active = app.moulting().active();
  if (!number && active == nullptr) return fail(nothing_serves(app.config().name));
  const std::uint64_t wanted = number ? *number : active->number();
  std::vector<std::uint64_t> living;
  for (const auto& generation : app.moulting().generations()) {
    if (generation->number() == 0) continue;  // the spare
    for (const auto& interpreter : generation->interpreters()) {
      if (!can_be_asked(*interpreter)) continue;
      if (generation->number() == wanted) return std::pair(generation.get(), interpreter.get());
      if (living.empty() || living.back() != generation->number()) living.push_back(generation->number());
    }
  }
  const auto known = known_generations(app);
  const auto is_it = [wanted](const GenerationRecord& record) { return record.number == wanted; };
  const auto found = std::find_if(known.begin(), known.end(), is_it);
  Error error{ErrorCode::failed,
              found == known.end()
                  ? fmt::format("{} has no generation {}", app.config().name, wanted)
                  : fmt::format("generation {} of {} is {}: it has no interpreter that could be asked",
                                wanted, app.config().name, to_string(found->state))};
  if (!living.empty()) error.hint = fmt::format("those that have: {}", fmt::join(living, ", "));
  return fail(std::move(error));
}

Json time_or_null(double seconds) { return seconds < 0 ? Json(nullptr) : Json(seconds); }

Json module_row(const ModuleNote& note) {
  return {{"module", note.module},
          {"file", note.file},
          {"kind", note.kind},
          {"hash", note.hash.substr(0, 12)},
          {"total_seconds", time_or_null(note.seconds)},
          {"self_seconds", time_or_null(note.own_seconds)},
          {"code", note.code},
          {"phase", note.phase},
          {"interpreters", note.interpreters},
          {"error", note.error}};
}

void imports(Daemon&, App& app, const Json& params, Reply reply) {
  const auto living = find_living(app, generation_of(params));
  if (!living) {
    reply.fail(living.error());
    return;
  }
  const auto [generation, interpreter] = *living;
  const Json head{{"app", app.config().name},
                  {"generation", generation->number()},
                  {"cause", cause_word(generation->record().cause.kind)},
                  {"cause_detail", generation->record().cause.detail}};
  interpreter->host()->ask_imports(
      interpreter->number(), [head, shared = std::make_shared<Reply>(std::move(reply))](const auto& answer) {
        if (!answer || !answer->error.empty()) {
          shared->fail(answer ? Error{ErrorCode::failed, answer->error} : answer.error());
          return;
        }
        Json whole = head;
        whole["left_out"] = answer->left_out;
        whole["modules"] = Json::array();
        for (const ModuleNote& note : answer->modules) whole["modules"].push_back(module_row(note));
        shared->ok(whole);
      });
}

}  // namespace

void serve_code_views(control::Methods& methods, Daemon& daemon) {
  const auto running = std::make_shared<std::size_t>(0);
  serve_named(methods, daemon, "diff", [running](Daemon& d, App& app, const Json& params, Reply reply) {
    diff_generations(running, d, app, params, std::move(reply));
  });
  serve_named(methods, daemon, "imports", imports);
}

}  // namespace moult
