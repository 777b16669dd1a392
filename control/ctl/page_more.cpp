#include "control/ctl/pages.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace moult::ctl {

namespace {

std::string items(std::string_view title, const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  std::string text = fmt::format("\n{}\n", title);
  for (const std::string& line : lines) text += fmt::format("  - {}\n", printable(line));
  return text;
}

std::string clock_of(const std::string& rfc3339) {
  return rfc3339.size() >= 19 ? fmt::format("{} {}Z", rfc3339.substr(0, 10), rfc3339.substr(11, 8)) : rfc3339;
}

void flatten(std::string& text, const std::string& path, const Json& value) {
  if (value.is_object()) {
    for (const auto& [name, inner] : value.items())
      flatten(text, path.empty() ? name : fmt::format("{}.{}", path, name), inner);
    return;
  }
  const bool settings =
      value.is_array() && !value.empty() && value[0].is_object() && value[0].contains("key");
  if (settings) {
    for (const Json& one : value)
      text += fmt::format("{}.{}: {}\n", path, text_at(one, "key"), text_at(one, "value"));
  } else if (value.is_string()) {
    text += fmt::format("{}: {}\n", path, printable(value.get<std::string>()));
  } else {
    text += fmt::format("{}: {}\n", path, value.dump());
  }
}

// "generation=15 previous=14", without what is empty.
std::string members(const Json& data) {
  std::string text;
  for (const auto& [name, value] : data.items()) {
    const std::string shown = value.is_string() ? printable(value.get<std::string>()) : value.dump();
    if (value.is_null() || shown.empty()) continue;
    text += fmt::format(" {}={}", name, shown);
  }
  return text;
}

}  // namespace

std::string why_page(const Json& result, const Look& look) {
  const std::string answer = text_at(result, "answer");
  std::string text =
      fmt::format("{}: {}\n", in_tone(text_at(result, "app"), Tone::strong, look), printable(answer));
  const std::string waiting = text_at(result, "waiting_for");
  const bool is_said = answer.find(waiting) != std::string::npos;
  if (!is_said) text += fmt::format("the next attempt waits: {}\n", printable(waiting));
  text += items("because", texts_at(result, "facts"));
  std::vector<std::string> history;
  for (const Json& one : list_at(result, "history")) {
    history.push_back(fmt::format("{}  {}  {}", clock_of(text_at(one, "time")), text_at(one, "event"),
                                  text_at(one, "text")));
  }
  text += items("what happened last", history);
  text += items("what to do", texts_at(result, "hints"));
  return text;
}

std::string compat_page(const Json& result, const Look& look) {
  std::string text = fmt::format("{}  {}\n", in_tone(text_at(result, "app"), Tone::strong, look),
                                 label_at(result, "isolation"));
  text += fmt::format("  asked for    isolation {}, gil {}\n", label_at(result, "asked_isolation"),
                      label_at(result, "asked_gil"));
  text += fmt::format("  runs with    isolation {}, gil {}, Python {}{}\n", label_at(result, "isolation"),
                      label_at(result, "gil"), label_at(result, "python"),
                      flag_at(result, "remembered") ? " (remembered verdict)" : "");
  if (!text_at(result, "reason").empty())
    text += fmt::format("  because      {}\n", printable(text_at(result, "reason")));
  if (const Json& price = object_at(result, "price"); !price.empty())
    text += fmt::format("  takes        {} of memory, {} for a change\n",
                        human_bytes(number_at(price, "memory_bytes")),
                        human_seconds(number_at(price, "make_seconds")));
  std::vector<std::string> lines;
  for (const Json& one : list_at(result, "extensions")) {
    const std::string note = text_at(one, "note");
    lines.push_back(fmt::format("{}: {}, can run in: {}{}\n      {}", text_at(one, "module"),
                                text_at(one, "kind"), text_at(one, "verdict"),
                                note.empty() ? "" : " (" + note + ")", text_at(one, "file")));
  }
  text += items("extension modules", lines);
  lines.clear();
  for (const Json& one : list_at(result, "fallbacks")) {
    const std::string used = text_at(one, "used");
    lines.push_back(fmt::format("{} was refused: {}{}", text_at(one, "module"), text_at(one, "error"),
                                used.empty() ? "" : "; " + used + " is used"));
    if (const std::string file = text_at(one, "file"); !file.empty())
      lines.back() += fmt::format(" ({}:{})", file, label_at(one, "line"));
  }
  text += items("what the app does without", lines);
  lines.clear();
  for (const Json& one : list_at(result, "process_wide")) {
    const std::string file = text_at(one, "file");
    lines.push_back(file.empty()
                        ? text_at(one, "what")
                        : fmt::format("{} at {}:{}", text_at(one, "what"), file, label_at(one, "line")));
  }
  return text + items("uses of process-wide state", lines);
}

std::string config_page(const Json& result, const Look& look) {
  std::string text;
  for (const Json& section : list_at(result, "sections")) {
    const std::string name = text_at(section, "name");
    const std::string file = text_at(section, "file");
    if (!text.empty()) text += '\n';
    text += in_tone(fmt::format("# {}{}", name.empty() ? "the daemon" : "app " + name,
                                file.empty() ? "" : ": " + file),
                    Tone::strong, look) +
            '\n';
    for (const Json& setting : list_at(section, "settings")) {
      const std::string line =
          printable(fmt::format("{} = {}", text_at(setting, "key"), text_at(setting, "value")));
      text += flag_at(setting, "default") ? in_tone(line + "  # default", Tone::dim, look) : line;
      text += '\n';
    }
  }
  return text;
}

std::string version_page(const Json& result, const Look&) {
  std::string text = fmt::format("moultd   {} (pid {}, up {})\n", text_at(result, "version"),
                                 label_at(result, "pid"), human_seconds(number_at(result, "uptime_seconds")));
  text += fmt::format("socket   {}\n", text_at(result, "socket"));
  for (const Json& python : list_at(result, "pythons")) {
    text += fmt::format("module   {} {}\n", text_at(python, "abi"), text_at(python, "module"));
  }
  return text;
}

std::string properties_page(const Json& object, const Look&) {
  std::string text;
  flatten(text, "", object);
  return text;
}

std::string event_line(const Json& event, const Look& look) {
  const std::string name = text_at(event, "event");
  std::string text = in_tone(clock_of(text_at(event, "time")), Tone::dim, look);
  if (name == "gap") {
    const bool known = has(event, "lost");
    return fmt::format(
        "{}  {}\n", text,
        known ? count_of(whole_at(event, "lost"), "older event") + " lost" : "older events lost");
  }
  const Tone tone = name.ends_with(".rejected") || name.ends_with(".died") || name.ends_with(".lost")
                        ? Tone::bad
                    : name.ends_with(".active") ? Tone::good
                                                : Tone::plain;
  const std::string app = text_at(event, "app");
  return fmt::format("{}  {}{}{}\n", text, in_tone(name, tone, look), app.empty() ? "" : "  " + app,
                     members(object_at(event, "data")));
}

std::string log_line(const Json& line, const Look& look) {
  const std::string stream = text_at(line, "stream");
  const std::string generation = has(line, "generation") ? "/" + label_at(line, "generation") : "";
  const std::string head =
      fmt::format("{} {}{} {}", clock_of(text_at(line, "time")), text_at(line, "app"), generation, stream);
  return fmt::format("{}  {}\n", in_tone(head, stream == "stderr" ? Tone::warning : Tone::dim, look),
                     printable(text_at(line, "text")));
}

}  // namespace moult::ctl
