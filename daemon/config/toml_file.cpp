#include "daemon/config/toml_file.h"

#include "ipc/base/fd.h"

// The only file that includes the TOML library: it costs 3 s to compile.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>

namespace moult {

namespace {

constexpr std::size_t kMaxFileSize = 1u << 20;
constexpr int kMaxDots = 1000;

Value convert(const toml::node& node);

Value::Table convert_table(const toml::table& table) {
  Value::Table members;
  for (const auto& [key, node] : table) {
    const toml::source_position& place = key.source().begin;
    members.push_back(Member{std::string(key.str()), static_cast<int>(place.line),
                             static_cast<int>(place.column), convert(node)});
  }
  // The library sorts by key; people read errors in the order of their file.
  std::stable_sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  return members;
}

Value::Array convert_array(const toml::array& array) {
  Value::Array items;
  for (const toml::node& item : array) items.push_back(convert(item));
  return items;
}

Value convert(const toml::node& node) {
  Value value;
  value.line = static_cast<int>(node.source().begin.line);
  value.column = static_cast<int>(node.source().begin.column);
  if (const auto* text = node.as_string()) {
    value.data = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.data = integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    value.data = number->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.data = boolean->get();
  } else if (const auto* array = node.as_array()) {
    value.data = convert_array(*array);
  } else if (const auto* table = node.as_table()) {
    value.data = convert_table(*table);
  } else {
    value.data = Value::Other{"a date or time"};
  }
  return value;
}

// The library bounds the depth of lists and inline tables, but makes a table for each part of a dotted
// key (`a.a.a.… = 1`, `[a.a.a.…]`), and copies and ends them level by level on the stack. A key does not
// span lines, so a line with too many dots is refused, whatever they are in. 0: there is none.
int line_of_too_many_dots(std::string_view text) {
  int line = 1;
  int dots = 0;
  for (const char c : text) {
    if (c == '.' && ++dots > kMaxDots) return line;
    if (c != '\n') continue;
    ++line;
    dots = 0;
  }
  return 0;
}

}  // namespace

Result<Value::Table> parse_toml(std::string_view text, const std::string& file) {
  if (const int line = line_of_too_many_dots(text); line != 0) {
    return fail(config_error({file, line, 1}, fmt::format("a line has more than {} dots", kMaxDots)));
  }
  const toml::parse_result result = toml::parse(text, file);
  if (!result) {
    const toml::parse_error& error = result.error();
    const Origin origin{file, static_cast<int>(error.source().begin.line),
                        static_cast<int>(error.source().begin.column)};
    return fail(config_error(origin, "not valid TOML: " + std::string(error.description())));
  }
  return convert_table(result.table());
}

Result<Value::Table> read_toml_file(const std::string& file) {
  auto text = read_file(file, kMaxFileSize);
  if (!text) {
    Error error = std::move(text.error());
    error.code = ErrorCode::config_invalid;
    error.file = file;
    if (error.message.starts_with(file + ": ")) error.message.erase(0, file.size() + 2);
    return fail(std::move(error));
  }
  return parse_toml(*text, file);
}

}  // namespace moult
