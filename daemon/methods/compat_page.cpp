#include "daemon/methods/status.h"

#include <nlohmann/json.hpp>

#include <algorithm>

// What an app asks of its interpreter, and where that can be had: `moultctl compat`.

namespace moult {

using control::Json;

Json compat_page(const App& app) {
  const Moulting& moulting = app.moulting();
  const Generation* active = moulting.active();
  const std::string isolation = active != nullptr ? active->record().isolation : "";
  const AppRecord& record = moulting.record();
  const bool remembered = record.verdict == Verdict::needs_process;
  std::string reason = record.verdict_reason;
  if (!remembered) {
    reason = isolation.empty()    ? "nothing serves yet"
             : isolation == "own" ? "all that it imports can live in an interpreter with its own GIL"
             : isolation == "shared"
                 ? "all that it imports can live in sub-interpreters; this Python shares one GIL between them"
                 : "isolation = \"process\" in its settings, or the table for this Python";
  }
  const auto& refused = moulting.refused_extensions();
  const auto is_refused = [&refused](const std::string& module) {
    return std::any_of(refused.begin(), refused.end(),
                       [&](const auto& note) { return note.module == module; });
  };
  Json extensions = Json::array();
  if (active != nullptr) {
    for (const ExtensionNote& note : active->extensions()) {
      if (is_refused(note.module)) continue;
      extensions.push_back({{"module", note.module},
                            {"file", note.path},
                            {"kind", note.kind.empty() ? "unknown" : note.kind},
                            {"verdict", isolation == "process"        ? "unknown"
                                        : note.kind == "single-phase" ? "shared"
                                                                      : "any"},
                            {"note", ""}});
    }
  }
  for (const RefusalNote& note : moulting.refused_extensions()) {
    extensions.push_back({{"module", note.module},
                          {"file", note.path},
                          {"kind", "unknown"},
                          {"verdict", "process"},
                          {"note", note.error}});
  }
  Json fallbacks = Json::array();
  if (active != nullptr) {
    for (const RefusalNote& note : active->fell_back()) {
      fallbacks.push_back({{"module", note.module},
                           {"error", note.error},
                           {"used", ""},
                           {"file", note.file},
                           {"line", note.line}});
    }
  }
  Json process_wide = Json::array();
  for (const ProcessWideNote& note : moulting.process_wide_notes()) {
    process_wide.push_back({{"what", note.what}, {"file", note.file}, {"line", note.line}});
  }
  return {{"app", app.config().name},
          {"isolation", isolation_word_of(isolation)},
          {"gil", gil_word(isolation)},
          {"python", active != nullptr ? active->record().python : ""},
          {"asked_isolation", app.config().isolation == Isolation::automatic     ? "auto"
                              : app.config().isolation == Isolation::interpreter ? "interpreter"
                                                                                 : "process"},
          {"asked_gil", app.config().gil == GilMode::automatic ? "auto"
                        : app.config().gil == GilMode::own     ? "own"
                                                               : "shared"},
          {"reason", reason},
          {"remembered", remembered},
          {"price", price_of(app)},
          {"extensions", extensions},
          {"fallbacks", fallbacks},
          {"process_wide", process_wide}};
}

}  // namespace moult
