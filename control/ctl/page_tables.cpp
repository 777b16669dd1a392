#include "control/ctl/pages.h"
#include "control/ctl/table.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace moult::ctl {

namespace {

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

std::string time_of_day(const std::string& rfc3339) {
  return rfc3339.size() >= 19 ? fmt::format("{} {}Z", rfc3339.substr(0, 10), rfc3339.substr(11, 8))
                              : or_dash(rfc3339);
}

}  // namespace

std::string list_table(const Json& result, const Look& look) {
  Table table;
  table.column("NAME")
      .column("STATE")
      .column("GEN", Align::right)
      .column("ISOLATION")
      .column("CALLS", Align::right);
  table.column("REQ/S", Align::right).column("P95", Align::right).column("MEM", Align::right);
  table.column("UPTIME", Align::right).column("RELOADS", Align::right).reasons("NOTE");
  for (const Json& app : list_at(result, "apps")) {
    const std::string state = text_at(app, "state");
    const Json& calls = object_at(app, "calls");
    table.row({text_at(app, "name"),
               {state, tone_of_state(state)},
               label_at(app, "generation"),
               or_dash(text_at(app, "isolation")),
               fmt::format("{}/{}", whole_at(calls, "running"), whole_at(calls, "queued")),
               human_number(number_at(app, "requests_per_second")),
               has(app, "p95_seconds") ? human_seconds(number_at(app, "p95_seconds")) : "-",
               has(app, "memory_bytes") ? human_bytes(number_at(app, "memory_bytes")) : "-",
               number_at(app, "uptime_seconds") > 0 ? human_seconds(number_at(app, "uptime_seconds")) : "-",
               std::to_string(whole_at(app, "reloads")),
               text_at(app, "note")});
  }
  if (table.is_empty()) return "no apps\n";
  return table.render(look);
}

std::string generations_table(const Json& result, const Look& look) {
  Table table;
  table.column("GEN", Align::right)
      .column("STATE")
      .column("SINCE")
      .column("CODE")
      .column("HOST", Align::right);
  table.column("CALLS", Align::right).column("MADE IN", Align::right).column("SERVED", Align::right);
  // A commit says nothing of what was changed after it: the snapshot stands for the code.
  const Json& rows = list_at(result, "generations");
  const bool commits = std::any_of(rows.begin(), rows.end(),
                                   [](const Json& row) { return !text_at(row, "vcs_commit").empty(); });
  table.column("BACK");
  if (commits) table.column("COMMIT");
  table.reasons("CAUSE");
  for (const Json& row : rows) {
    const std::string state = text_at(row, "state");
    const std::string error = text_at(row, "error");
    const bool pinned = has(result, "pinned_generation") &&
                        whole_at(result, "pinned_generation") == whole_at(row, "generation");
    std::vector<Table::Cell> cells{
        label_at(row, "generation"),
        {pinned ? state + " (pinned)" : state, tone_of_state(state)},
        time_of_day(text_at(row, "since")),
        or_dash(text_at(row, "snapshot")),
        label_at(row, "host"),
        std::to_string(whole_at(row, "calls")),
        human_seconds(number_at(row, "make_seconds")),
        number_at(row, "served_seconds") > 0 ? human_seconds(number_at(row, "served_seconds")) : "-",
        flag_at(row, "can_roll_back") ? "yes" : "-"};
    if (commits) cells.emplace_back(or_dash(text_at(row, "vcs_commit")));
    cells.emplace_back(error.empty() ? cause_of(row) : fmt::format("{}; {}", cause_of(row), error));
    table.row(std::move(cells));
  }
  if (table.is_empty()) return "no generations yet\n";
  return table.render(look);
}

std::string hosts_table(const Json& result, const Look& look) {
  Table table;
  table.column("ID", Align::right)
      .column("PID", Align::right)
      .column("STATE")
      .column("KIND")
      .column("PYTHON");
  table.column("GIL").column("INTERP", Align::right).column("WORKERS", Align::right);
  table.column("ABANDONED", Align::right).column("MEM", Align::right).column("GROWTH", Align::right);
  table.column("UPTIME", Align::right).reasons("APPS");
  for (const Json& host : list_at(result, "hosts")) {
    const std::string state = text_at(host, "state");
    const std::string note = text_at(host, "note");
    const std::string apps = fmt::format("{}", fmt::join(texts_at(host, "apps"), " "));
    const std::uint64_t abandoned = whole_at(host, "abandoned");
    table.row({label_at(host, "id"),
               label_at(host, "pid"),
               {state, tone_of_state(state)},
               text_at(host, "kind"),
               text_at(host, "python"),
               text_at(host, "gil"),
               std::to_string(whole_at(host, "interpreters")),
               std::to_string(whole_at(host, "workers")),
               {std::to_string(abandoned), abandoned > 0 ? Tone::warning : Tone::plain},
               human_bytes(number_at(host, "memory_bytes")),
               human_bytes(number_at(host, "memory_growth_bytes")),
               human_seconds(number_at(host, "uptime_seconds")),
               note.empty() ? apps : fmt::format("{} ({})", apps, note)});
  }
  if (table.is_empty()) return "no hosts\n";
  return table.render(look);
}

std::string doctor_table(const Json& result, const Look& look) {
  std::string text;
  for (const Json& check : list_at(result, "checks")) {
    const std::string status = text_at(check, "status");
    text += fmt::format("{}  {}: {}\n", in_tone(fmt::format("{:<7}", status), tone_of_state(status), look),
                        text_at(check, "name"), printable(text_at(check, "text")));
    const std::string hint = text_at(check, "hint");
    if (!hint.empty()) text += fmt::format("         {}\n", printable(hint));
  }
  return text;
}

}  // namespace moult::ctl
