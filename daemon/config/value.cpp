#include "daemon/config/value.h"

#include <fmt/format.h>

namespace moult {

namespace {

struct KindOf {
  std::string operator()(const Value::Other& other) const { return other.kind; }
  std::string operator()(const std::string&) const { return "a string"; }
  std::string operator()(std::int64_t) const { return "an integer"; }
  std::string operator()(double) const { return "a float"; }
  std::string operator()(bool) const { return "a boolean"; }
  std::string operator()(const Value::Array&) const { return "a list"; }
  std::string operator()(const Value::Table&) const { return "a table"; }
};

}  // namespace

std::string Value::kind() const { return std::visit(KindOf{}, data); }

Error config_error(const Origin& origin, std::string message, std::string hint) {
  if (origin.column > 0) message += fmt::format(" (column {})", origin.column);
  return Error{ErrorCode::config_invalid, std::move(message), {}, origin.file, origin.line, std::move(hint)};
}

}  // namespace moult
