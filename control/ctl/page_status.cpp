#include "control/ctl/pages.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace moult::ctl {

namespace {

constexpr int kLabel = 11;

// "  label      text": one fact of a page. Nothing when there is nothing to say.
std::string fact(std::string_view label, std::string_view text, const Look& look) {
  if (text.empty()) return {};
  const std::string padded = fmt::format("{:<{}}", label, kLabel);
  return fmt::format("  {}{}\n", in_tone(padded, Tone::dim, look), printable(text));
}

std::string heading(std::string_view text, const Look& look) {
  return fmt::format("\n{}\n", in_tone(text, Tone::strong, look));
}

void join(std::string& text, std::string_view more, std::string_view separator = ", ") {
  if (more.empty()) return;
  if (!text.empty()) text += separator;
  text += more;
}

std::string place_of(const Json& object) {
  const std::string file = text_at(object, "file");
  const std::uint64_t line = whole_at(object, "line");
  return file.empty() || line == 0 ? file : fmt::format("{}:{}", file, line);
}

std::string_view isolation_in_words(const std::string& isolation, const std::string& gil) {
  if (isolation == "process") return "process of its own";
  if (isolation.empty()) return "";
  return gil == "own" ? "sub-interpreter with its own GIL" : "sub-interpreter, shared GIL";
}

std::string serving_facts(const Json& app, const Json& active, const Look& look) {
  std::string code = text_at(active, "root");
  std::string callable = text_at(app, "callable");
  callable.erase(0, callable.rfind(':') + 1);  // "module:callable" too
  std::string entry = text_at(app, "entry");
  if (!callable.empty()) entry += ':' + callable;
  join(code, entry);
  if (has(active, "snapshot")) join(code, "snapshot " + text_at(active, "snapshot"));
  if (!text_at(active, "vcs_commit").empty()) join(code, "commit " + text_at(active, "vcs_commit"));
  std::string runs = text_at(active, "python").empty() ? "" : "Python " + text_at(active, "python");
  join(runs, isolation_in_words(text_at(app, "isolation"), text_at(app, "gil")));
  if (has(active, "host")) {
    join(runs, fmt::format("host {} (pid {})", label_at(active, "host"), label_at(active, "host_pid")));
  }
  const Json& workers = object_at(app, "workers");
  if (whole_at(workers, "total") > 0) {
    join(runs, fmt::format("{} ({} idle)", count_of(whole_at(workers, "total"), "worker"),
                           whole_at(workers, "idle")));
  }
  return fact("serves",
              fmt::format("generation {} since {}", label_at(active, "generation"),
                          human_time(text_at(active, "since"), look)),
              look) +
         fact("made by",
              fmt::format("{}, in {}", cause_of(active), human_seconds(number_at(active, "make_seconds"))),
              look) +
         fact("code", code, look) + fact("runs on", runs, look);
}

std::string traffic_of(const Json& app) {
  const Json& calls = object_at(app, "calls");
  const Json& queue = object_at(app, "queue");
  std::string text = fmt::format("{} requests/s", human_number(number_at(app, "requests_per_second")));
  if (has(app, "p95_seconds")) join(text, "p95 " + human_seconds(number_at(app, "p95_seconds")));
  join(text, count_of(whole_at(calls, "running"), "call") + " running");
  join(text, has(queue, "limit")
                 ? fmt::format("{} of {} queued", whole_at(queue, "length"), whole_at(queue, "limit"))
                 : fmt::format("{} queued", whole_at(calls, "queued")));
  return text;
}

std::string watch_of(const Json& app, const Look& look) {
  std::string text = text_at(app, "watch");
  if (text.empty()) return text;
  if (whole_at(app, "watched_files") > 0) {
    text += fmt::format(": {} in {}", count_of(whole_at(app, "watched_files"), "file"),
                        count_of(whole_at(app, "watched_folders"), "folder"));
  }
  join(text, text_at(app, "watch_note"), "; ");
  if (has(app, "last_change"))
    join(text, "last change " + human_time(text_at(app, "last_change"), look), "; ");
  return text;
}

std::string counters_of(const Json& app) {
  struct Name {
    const char* key;
    const char* words;
  };
  // Always said, then what is only said when it has happened.
  constexpr Name names[] = {{"requests", "requests"},
                            {"reloads", "reloads"},
                            {"errors_5xx", "5xx"},
                            {"rejected", "rejected"},
                            {"rollbacks", "roll-backs"},
                            {"drain_killed", "interrupted at the drain"},
                            {"call_killed", "over their time"},
                            {"queue_full", "refused by a full queue"},
                            {"queue_late", "queued for too long"},
                            {"host_deaths", "host deaths"},
                            {"retried", "retried"}};
  const Json& counters = object_at(app, "counters");
  std::string text;
  for (const Name& name : names) {
    const std::uint64_t count = whole_at(counters, name.key);
    const bool always = std::string_view(name.key) == "requests" || std::string_view(name.key) == "reloads";
    if (has(counters, name.key) && (always || count > 0)) join(text, fmt::format("{} {}", name.words, count));
  }
  return text;
}

std::string rejected_part(const Json& rejected, const Look& look) {
  std::string text = heading(fmt::format("rejected: generation {}", label_at(rejected, "generation")), look);
  text += fact("when", human_time(text_at(rejected, "time"), look), look);
  text += fact("cause", cause_of(rejected), look);
  text += fact("stage", text_at(rejected, "stage"), look);
  text += fact("where", place_of(rejected), look);
  const std::string error = printable(text_at(rejected, "error"));
  if (!error.empty()) text += fact("error", in_tone(error, Tone::plain, look), look);
  const std::string traceback = printable(text_at(rejected, "traceback"));
  if (!traceback.empty()) text += '\n' + indent(traceback, "    ");
  return text;
}

std::string bullets(std::string_view title, const std::vector<std::string>& items, const Look& look) {
  if (items.empty()) return {};
  std::string text = heading(title, look);
  for (const std::string& item : items) text += fmt::format("  - {}\n", printable(item));
  return text;
}

// The generations beside the active one that are still alive: what holds memory, and where one can go.
std::string others_of(const Json& app) {
  std::string text;
  for (const Json& row : list_at(app, "generations")) {
    const std::string state = text_at(row, "state");
    const bool alive = state != "active" && state != "retired" && state != "rejected" && state != "lost";
    if (!alive) continue;
    std::string one = fmt::format("{} {}", label_at(row, "generation"), state);
    if (whole_at(row, "calls") > 0) one += fmt::format(" ({})", count_of(whole_at(row, "calls"), "call"));
    join(text, one);
  }
  return text;
}

// Why it has a process, and what that takes.
std::string verdict_of(const Json& verdict) {
  if (verdict.empty()) return {};
  return fmt::format(", in a process of its own: {}; {} of memory, {} for a change",
                     printable(text_at(verdict, "reason")), human_bytes(number_at(verdict, "memory_bytes")),
                     human_seconds(number_at(verdict, "make_seconds")));
}

}  // namespace

std::string status_page(const Json& app, const Look& look) {
  const std::string state = text_at(app, "state");
  const std::string note = printable(text_at(app, "note"));
  std::string text =
      fmt::format("{}  {}{}{}\n\n", in_tone(printable(text_at(app, "name")), Tone::strong, look),
                  in_tone(state, tone_of_state(state), look), note.empty() ? "" : ": " + note,
                  verdict_of(object_at(app, "verdict")));
  const Json& active = object_at(app, "active");
  text += active.empty() ? fact("serves", "nothing", look) + fact("code", text_at(app, "root"), look)
                         : serving_facts(app, active, look);
  const Json& environment = object_at(app, "environment");
  text += fact("python", text_at(environment, "python"), look);
  text += fact("PYTHONPATH", text_at(environment, "pythonpath"), look);
  text += fact("env file", text_at(environment, "env_file"), look);
  if (const std::string unread = text_at(environment, "unread_env_file"); !unread.empty())
    text += fact("env file", fmt::format("{} is not read; env_file = \"{}\" would do that", unread, unread),
                 look);
  if (const Json& attempt = object_at(app, "attempt"); !attempt.empty()) {
    text += fact("next",
                 fmt::format("generation {}: {}, by {}", label_at(attempt, "generation"),
                             text_at(attempt, "state"), cause_of(attempt)),
                 look);
  }
  text += fact("others", others_of(app), look);
  if (const std::string spare = text_at(app, "spare"); !spare.empty() && spare != "none")
    text +=
        fact("spare", spare == "ready" ? "ready: an interpreter waits for the next change" : printable(spare),
             look);
  if (has(app, "pinned_generation")) {
    text += fact("pinned",
                 fmt::format("to generation {} until the next change, reload or thaw",
                             label_at(app, "pinned_generation")),
                 look);
  }
  if (flag_at(app, "frozen")) text += fact("frozen", "changes are noted and not acted on", look);
  if (const Json& deploy = object_at(app, "deploy"); !deploy.empty()) {
    text += fact("deploy",
                 fmt::format("since {}, until {} at most; {} {}", human_time(text_at(deploy, "since"), look),
                             human_time(text_at(deploy, "until"), look),
                             count_of(whole_at(deploy, "changes"), "changed file"),
                             whole_at(deploy, "changes") == 1 ? "waits" : "wait"),
                 look);
  }
  text += fact("at", fmt::format("{}", fmt::join(texts_at(app, "urls"), "  ")), look);
  if (!active.empty()) text += fact("traffic", traffic_of(app), look);
  text += fact("so far", counters_of(app), look);
  if (has(app, "memory_bytes")) text += fact("memory", human_bytes(number_at(app, "memory_bytes")), look);
  text += fact("watch", watch_of(app, look), look);
  text += fact("log", text_at(app, "log_file"), look);
  text += fact("config", text_at(app, "config_file"), look);
  if (const Json& rejected = object_at(app, "rejected"); !rejected.empty())
    text += rejected_part(rejected, look);
  text += bullets("warnings", texts_at(app, "warnings"), look);
  text += bullets("what to do", texts_at(app, "hints"), look);
  return text;
}

std::string daemon_page(const Json& result, const Look& look) {
  const Json& daemon = object_at(result, "daemon");
  std::string text =
      fmt::format("{}  {}\n\n", in_tone("moultd", Tone::strong, look), text_at(daemon, "version"));
  text += fact("runs",
               fmt::format("pid {}, for {}, {}", label_at(daemon, "pid"),
                           human_seconds(number_at(daemon, "uptime_seconds")),
                           count_of(whole_at(daemon, "hosts"), "host")),
               look);
  text += fact("listens", fmt::format("{}", fmt::join(texts_at(daemon, "listening"), "  ")), look);
  text += fact("traffic",
               fmt::format("{}, {} so far", count_of(whole_at(daemon, "connections"), "connection"),
                           count_of(whole_at(daemon, "requests"), "request")),
               look);
  text += fact("memory", human_bytes(number_at(daemon, "memory_bytes")) + " (without the hosts)", look);
  text += fact("config", text_at(daemon, "config_folder"), look);
  text += fact("state", text_at(daemon, "state_folder"), look);
  text += bullets("warnings", texts_at(daemon, "warnings"), look);
  std::vector<std::string> errors;
  for (const Json& error : list_at(daemon, "config_errors")) {
    std::string line = place_of(error);
    join(line, text_at(error, "message"), ": ");
    if (!text_at(error, "hint").empty()) line += fmt::format(" ({})", text_at(error, "hint"));
    errors.push_back(std::move(line));
  }
  text += bullets("the config on disk is not applied", errors, look);
  return text + '\n' + list_table(result, look);
}

}  // namespace moult::ctl
