#include "control/ctl/readiness.h"

#include "ipc/base/json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace moult::ctl {

namespace {

std::string readable_line(const std::string& line) {
  const Json json = parse_json_or_discard(line);
  if (!json.is_object() || !json.contains("message")) return line;
  std::string text = text_at(json, "message");
  const std::string level = text_at(json, "level");
  if (level != "info" && !level.empty()) text = fmt::format("{}: {}", level, text);
  for (const auto& [name, value] : json.items()) {
    if (name == "time" || name == "level" || name == "message") continue;
    text += fmt::format(" {}={}", name, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

}  // namespace

Readiness readiness_of(const Json& list) {
  Readiness readiness;
  for (const Json& app : list_at(list, "apps")) {
    const std::string name = text_at(app, "name");
    const std::string state = text_at(app, "state");
    if (state == "starting") readiness.starting.push_back(name);
    if (state == "failed" || state == "backoff") readiness.failed.push_back(name);
    if (state == "degraded") readiness.degraded.push_back(name);
    if (state == "running" || state == "reloading" || state == "degraded") ++readiness.served;
  }
  return readiness;
}

Error reason_from(const Json& page) {
  const std::string name = text_at(page, "name");
  const Json& rejected = object_at(page, "rejected");
  Error error{ErrorCode::code_rejected, {}};
  if (rejected.empty()) {
    const std::string note = text_at(page, "note");
    error.message = fmt::format("{} is {}{}{}", name, text_at(page, "state"), note.empty() ? "" : ": ", note);
    error.code = ErrorCode::failed;
  } else {
    error.message = fmt::format("{}: generation {} was rejected: {}", name, label_at(rejected, "generation"),
                                text_at(rejected, "error"));
    error.detail = text_at(rejected, "traceback");
    error.file = text_at(rejected, "file");
    error.line = static_cast<int>(whole_at(rejected, "line"));
    if (!has(page, "generation")) error.code = ErrorCode::failed;
  }
  if (const auto hints = texts_at(page, "hints"); !hints.empty()) error.hint = hints.front();
  return error;
}

std::string readable_log(const std::string& log, std::size_t lines) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < log.size();) {
    const std::size_t end = std::min(log.find('\n', at), log.size());
    if (end > at) all.push_back(log.substr(at, end - at));
    at = end + 1;
  }
  std::string text;
  for (std::size_t i = all.size() > lines ? all.size() - lines : 0; i < all.size(); ++i) {
    text += readable_line(all[i]) + '\n';
  }
  return text;
}

}  // namespace moult::ctl
