#include "daemon/snapshot/imports.h"

#include <array>

namespace moult {

namespace {

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t' || text.front() == '\f'))
    text.remove_prefix(1);
}

std::string_view take_name(std::string_view& text) {
  std::size_t size = 0;
  while (size < text.size() && is_name_character(text[size])) ++size;
  const std::string_view name = text.substr(0, size);
  text.remove_prefix(size);
  return name;
}

bool take_keyword(std::string_view& text, std::string_view keyword) {
  if (!text.starts_with(keyword)) return false;
  const std::string_view rest = text.substr(keyword.size());
  if (rest.empty() || is_name_character(rest.front())) return false;
  text = rest;
  skip_blanks(text);
  return true;
}

// "a.b as c, d" after `import`.
void take_list(std::string_view text, std::set<std::string>& names) {
  for (;;) {
    skip_blanks(text);
    const std::string_view name = take_name(text);
    if (name.empty()) return;
    names.emplace(name);
    const std::size_t comma = text.find_first_of(",;#");
    if (comma == std::string_view::npos || text[comma] != ',') return;
    text.remove_prefix(comma + 1);
  }
}

void take_statement(std::string_view statement, std::set<std::string>& names) {
  skip_blanks(statement);
  if (take_keyword(statement, "import")) {
    take_list(statement, names);
  } else if (take_keyword(statement, "from")) {
    if (const std::string_view name = take_name(statement); !name.empty()) names.emplace(name);
  }
}

void take_calls(std::string_view line, std::set<std::string>& names) {
  static constexpr std::array<std::string_view, 2> kCalls{"import_module(", "__import__("};
  for (const std::string_view call : kCalls) {
    for (std::size_t at = line.find(call); at != std::string_view::npos; at = line.find(call, at + 1)) {
      std::string_view argument = line.substr(at + call.size());
      skip_blanks(argument);
      if (argument.empty() || (argument.front() != '"' && argument.front() != '\'')) continue;
      argument.remove_prefix(1);
      if (const std::string_view name = take_name(argument); !name.empty()) names.emplace(name);
    }
  }
}

}  // namespace

std::set<std::string> imported_names(std::string_view source) {
  std::set<std::string> names;
  while (!source.empty()) {
    const std::size_t end = source.find_first_of("\n\r");
    const std::string_view line = source.substr(0, end);
    source.remove_prefix(end == std::string_view::npos ? source.size() : end + 1);
    if (line.find("import") == std::string_view::npos) continue;
    take_statement(line, names);
    // "try: import x", "if a: import x; import y"
    for (std::size_t at = line.find_first_of(":;"); at != std::string_view::npos;
         at = line.find_first_of(":;", at + 1)) {
      take_statement(line.substr(at + 1), names);
    }
    take_calls(line, names);
  }
  return names;
}

}  // namespace moult
