#include "control/ctl/pages.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace moult::ctl {

namespace {

std::string generation_words(const Json& result) {
  std::string text = fmt::format("generation {}", label_at(result, "generation"));
  if (has(result, "from_generation") &&
      whole_at(result, "from_generation") != whole_at(result, "generation")) {
    text += fmt::format(" (the code of {})", label_at(result, "from_generation"));
  }
  return text;
}

std::string sentence(const Json& result) {
  const std::string outcome = text_at(result, "outcome");
  const std::string generation = generation_words(result);
  const bool is_off = has(result, "reload") && !flag_at(result, "reload");
  if (outcome == "switched" || outcome == "drained") {
    std::string text = generation + " serves";
    if (has(result, "previous")) text += fmt::format(", generation {} ", label_at(result, "previous"));
    if (has(result, "previous")) text += outcome == "drained" ? "is drained" : "did before";
    if (has(result, "pinned_generation")) text += "; pinned until the next change, reload or thaw";
    return text;
  }
  if (outcome == "ready") return generation + " is ready and takes over";
  if (outcome == "started") return generation + " serves";
  if (outcome == "stopped") {
    const std::uint64_t killed = whole_at(result, "drain_killed");
    return killed == 0 ? "stopped" : fmt::format("stopped; {} interrupted", count_of(killed, "call"));
  }
  if (outcome == "requested") return "asked for, not waited for";
  if (outcome == "frozen")
    return is_off ? "frozen; reload is off in any case" : "frozen: changes are noted and not acted on";
  if (outcome == "thawed" || (outcome == "unchanged" && is_off && !flag_at(result, "frozen"))) {
    if (!is_off) return "thawed: changes are acted on";
    return fmt::format("{}, but reload is off: `moultctl reload` takes up what has changed",
                       outcome == "thawed" ? "thawed" : "not frozen");
  }
  if (outcome == "begun" || outcome == "renewed") {
    return fmt::format("deploy {}: changes wait for `moultctl deploy end`, until {} at most", outcome,
                       text_at(result, "until"));
  }
  if (outcome == "unchanged") {
    const std::string state = text_at(result, "state");
    return state.empty() ? "nothing to do" : fmt::format("nothing to do, it is {}", state);
  }
  return outcome.empty() ? "done" : outcome;
}

std::string place_of(const std::string& file, std::uint64_t line) {
  return line == 0 ? file : fmt::format("{}:{}", file, line);
}

}  // namespace

std::string outcome_line(const Json& result, const Look& look) {
  std::string text =
      fmt::format("{}: {}", in_tone(text_at(result, "app"), Tone::strong, look), printable(sentence(result)));
  if (text_at(result, "deploy") == "none") text += "; no deploy was under way";
  if (number_at(result, "elapsed_seconds") > 0)
    text += fmt::format(" ({})", human_seconds(number_at(result, "elapsed_seconds")));
  return text + '\n';
}

std::string check_line(const Json& result, const Look& look) {
  std::string text =
      fmt::format("{}: {}, {} imported in {}{}\n", in_tone(text_at(result, "app"), Tone::strong, look),
                  in_tone("ok", Tone::good, look), count_of(whole_at(result, "files"), "file"),
                  human_seconds(number_at(result, "make_seconds")),
                  flag_at(result, "same_as_active") ? "; the same code as serves now" : "");
  for (const std::string& warning : texts_at(result, "warnings"))
    text += fmt::format("  - {}\n", printable(warning));
  return text;
}

std::string recycle_lines(const Json& result, const Look&) {
  std::string text;
  for (const Json& host : list_at(result, "hosts")) {
    text += fmt::format("host {} (pid {}) replaced by host {} (pid {}) in {}\n", label_at(host, "id"),
                        label_at(host, "pid"), label_at(host, "replaced_by"), label_at(host, "new_pid"),
                        human_seconds(number_at(host, "elapsed_seconds")));
  }
  return text.empty() ? "no hosts\n" : text;
}

std::string config_check_line(const Json& result, const Look& look) {
  return fmt::format("{}: {}, {}, {}\n", text_at(result, "folder"), in_tone("ok", Tone::good, look),
                     count_of(list_at(result, "files").size(), "file"),
                     count_of(list_at(result, "apps").size(), "app"));
}

std::string config_reload_lines(const Json& result, const Look&) {
  std::string text;
  for (const std::string& app : texts_at(result, "added")) text += fmt::format("added    {}\n", app);
  for (const std::string& app : texts_at(result, "removed")) text += fmt::format("removed  {}\n", app);
  for (const Json& change : list_at(result, "changed")) {
    const std::string effect = text_at(change, "effect");
    text += fmt::format("changed  {} ({})\n", text_at(change, "app"),
                        effect == "generation" ? "a new generation is made" : effect);
  }
  for (const std::string& key : texts_at(result, "daemon"))
    text += fmt::format("changed  moult.toml: {}\n", key);
  if (text.empty()) text = "nothing has changed\n";
  for (const std::string& warning : texts_at(result, "warnings"))
    text += fmt::format("warning: {}\n", printable(warning));
  return text;
}

std::string error_text(const Error& error, const Json& data, const Look& look) {
  const std::string app = text_at(data, "app");
  const bool named = !app.empty() && error.message.find(app) == std::string::npos;
  std::string text = fmt::format("{} {}{}\n", in_tone("moultctl:", Tone::bad, look), named ? app + ": " : "",
                                 printable(error.message));
  const Json& errors = list_at(data, "errors");
  if (!errors.empty()) {  // the first of them is the error itself
    text.clear();
    for (const Json& one : errors) {
      const std::string file = text_at(one, "file");
      const std::string hint = text_at(one, "hint");
      text +=
          fmt::format("{} {}{}{}\n", in_tone("moultctl:", Tone::bad, look),
                      file.empty() ? "" : place_of(file, whole_at(one, "line")) + ": ",
                      printable(text_at(one, "message")), hint.empty() ? "" : " (" + printable(hint) + ")");
    }
    return text;
  }
  if (!error.file.empty()) {
    text += fmt::format("  at {}\n", printable(place_of(error.file, static_cast<std::uint64_t>(error.line))));
  }
  if (!error.detail.empty()) text += '\n' + indent(printable(error.detail), "    ") + '\n';
  if (!error.hint.empty()) text += fmt::format("  {}\n", printable(error.hint));
  return text;
}

}  // namespace moult::ctl
