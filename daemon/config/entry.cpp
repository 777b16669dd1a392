#include "daemon/config/entry.h"

#include <fmt/ranges.h>

#include <sys/stat.h>

namespace moult {

namespace {

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

Entry classify_entry(std::string_view text) {
  const bool is_path = text.find('/') != std::string_view::npos;  // also of "./app"
  while (text.starts_with("./")) text.remove_prefix(2);
  const std::string_view base = text.substr(text.rfind('/') + 1);  // npos + 1 is 0
  const std::string name(text);
  if (base == "manage.py") return {EntryKind::django, name};
  const bool is_file = is_path || text.ends_with(".py") || (text.ends_with(".wsgi") && !is_dotted_name(text));
  return {is_file ? EntryKind::file : EntryKind::module, name};
}

bool is_dotted_name(std::string_view text) {
  bool start = true;
  for (const char c : text) {
    if (c == '.' ? start : !(is_name_character(c) || static_cast<signed char>(c) < 0)) return false;
    if (start && c >= '0' && c <= '9') return false;
    start = c == '.';
  }
  return !start;
}

bool is_callable_name(std::string_view text) {
  const std::size_t bracket = text.find('(');
  return is_dotted_name(text.substr(0, bracket)) &&
         (bracket == std::string_view::npos || text.ends_with(')'));
}

const std::vector<std::string>& entry_names() {
  static const std::vector<std::string> names{"app.py", "wsgi.py", "main.py", "manage.py"};
  return names;
}

std::vector<std::string> entries_in(const std::string& folder) {
  std::vector<std::string> found;
  for (const std::string& name : entry_names()) {
    struct stat status {};
    if (::stat(fmt::format("{}/{}", folder, name).c_str(), &status) == 0 && S_ISREG(status.st_mode))
      found.push_back(name);
  }
  return found;
}

Result<Entry> find_entry(const std::string& folder) {
  const std::vector<std::string> found = entries_in(folder);
  if (found.size() == 1) return classify_entry(found.front());
  if (found.empty()) {
    return fail(
        Error{ErrorCode::config_invalid,
              fmt::format("{}: no entry point: looked for {}", folder, fmt::join(entry_names(), ", ")),
              {},
              {},
              0,
              "name the file or module that holds the WSGI callable"});
  }
  return fail(Error{ErrorCode::config_invalid,
                    fmt::format("{}: several entry points: {}", folder, fmt::join(found, ", ")),
                    {},
                    {},
                    0,
                    fmt::format("name one of them, as in {}", found.front())});
}

EntryText split_entry(std::string_view text) {
  std::size_t colon = text.rfind(':');
  const std::size_t bracket = text.ends_with(')') ? text.find('(') : std::string_view::npos;
  if (bracket != std::string_view::npos) {
    const std::size_t before = text.rfind(':', bracket);
    if (before != std::string_view::npos && is_callable_name(text.substr(before + 1))) colon = before;
  }
  if (colon == std::string_view::npos) return {std::string(text), {}};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

}  // namespace moult
