#include "daemon/moult/ladder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace moult {

namespace {

// What CPython, Cython, PyO3, NumPy, psycopg2, protobuf, rpds and subprocess say in a sub-interpreter.
constexpr std::array kTexts = std::to_array<std::string_view>({
    "does not support loading in subinterpreters",
    "can only be loaded into one interpreter per process",
    "do not yet support subinterpreters",
    "once per interpreter process",
    "cannot load module more than once per process",
    "CPU dispatcher tracer already init",
    "failed to import from subinterpreter",
    "supported for isolated subinterpreters",
    "not supported within subinterpreters",
    "not supported for subinterpreters",
    "main thread of the main interpreter",
    "subinterpreter can't use syslog",
    "cannot import name 'encodings' from 'psycopg2._psycopg'",
    "A Message class can only inherit from Message",
    "_abc_impl is set to a wrong type",
});

}  // namespace

bool wants_process(const Rejection& rejection) {
  if (!rejection.refused.empty() || rejection.stage == "crash") return true;
  return std::any_of(kTexts.begin(), kTexts.end(), [&](std::string_view text) {
    return rejection.error.find(text) != std::string::npos ||
           rejection.traceback.find(text) != std::string::npos;
  });
}

bool lacks_descriptors(const Rejection& rejection) {
  static constexpr std::string_view kText = "Too many open files";  // strerror(EMFILE)
  return rejection.stage == "descriptors" || rejection.error.find(kText) != std::string::npos ||
         rejection.traceback.find(kText) != std::string::npos;
}

std::string reason_for_process(const Rejection& rejection) {
  return rejection.refused.empty() ? rejection.error : describe(rejection.refused.front());
}

std::string describe(const RefusalNote& refused) {
  std::string text = refused.path.empty() ? fmt::format("{}: {}", refused.module, refused.error)
                                          : fmt::format("{} refuses sub-interpreters", refused.module);
  if (!refused.file.empty()) text += fmt::format(" ({}:{})", refused.file, refused.line);
  return text;
}

Rejection rejection_of(std::vector<RefusalNote> refused) {
  const RefusalNote first = refused.front();
  return {"import", describe(first), {}, first.file, first.line, std::move(refused)};
}

}  // namespace moult
