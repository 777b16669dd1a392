#include "ipc/base/json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace moult {

using Json = nlohmann::json;

bool is_json_too_deep(std::string_view text, unsigned limit) {
  unsigned depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > limit) return true;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

Result<Json> parse_json(std::string_view text) {
  if (is_json_too_deep(text)) {
    return fail(
        Error{ErrorCode::protocol, fmt::format("JSON that is nested deeper than {} levels", kJsonDepthMax)});
  }
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    // parse_error has the byte; a number out of range has not.
    const auto* parse = dynamic_cast<const Json::parse_error*>(&error);
    return fail(Error{ErrorCode::protocol,
                      parse != nullptr ? fmt::format("no JSON: byte {}", parse->byte) : "no JSON",
                      error.what()});
  }
}

Json parse_json_or_discard(std::string_view text) {
  if (is_json_too_deep(text)) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, false);
}

}  // namespace moult
