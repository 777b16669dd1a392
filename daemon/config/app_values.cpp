#include "daemon/config/app_values.h"

#include "daemon/config/entry.h"
#include "daemon/config/env_file.h"
#include "daemon/config/setting.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

namespace {

using Exists = ValueReader::Exists;

// The texts of a list; nothing set when one of them was no string.
template <typename Check>
void read_list(ValueReader& reader, const Value& value, std::vector<std::string>& into, Check check) {
  std::vector<std::string> items;
  const auto texts = reader.texts(value);
  const auto* list = value.get_if<Value::Array>();
  bool good = texts.size() == (list == nullptr ? 1 : list->size());
  for (const auto& [at, text] : texts) {
    auto item = check(*at, text);
    good = good && item.has_value();
    if (item) items.push_back(std::move(*item));
  }
  if (good) into = std::move(items);
}

void set(std::string& into, std::optional<std::string> value) {
  if (value) into = std::move(*value);
}

std::optional<std::string> checked(ValueReader& reader, const Value& at, const std::string& text, bool good,
                                   const char* message, const char* hint) {
  if (good) return text;
  reader.error(at, fmt::format("\"{}\": {}", text, message), hint);
  return {};
}

}  // namespace

bool is_app_name(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 64 && plain(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return plain(c) || c == '_' || c == '.' || c == '-'; });
}

void read_tree(ValueReader& reader, const Value& value, AppConfig& into) {
  set(into.tree, reader.path(value, Exists::folder));
}

void read_entry(ValueReader& reader, const Value& value, AppConfig& into) {
  const auto written = reader.text(value);
  if (!written) return;
  const EntryText parts = split_entry(*written);
  if (parts.entry.empty() && !written->empty())
    return reader.error(value, "names only a callable", "write \"app.py:NAME\"");
  if (!parts.entry.empty()) {
    const Entry entry = classify_entry(parts.entry);
    const std::string inside = "/" + entry.name + "/";
    if (entry.kind == EntryKind::module && !is_dotted_name(entry.name)) {
      return reader.error(value, fmt::format("\"{}\" is neither a file nor a module", *written),
                          "write \"app.py\", \"package.module\" or \"app.py:callable\"");
    }
    if (entry.kind != EntryKind::module &&
        (entry.name.front() == '/' || inside.find("/../") != std::string::npos)) {
      return reader.error(value, fmt::format("\"{}\" does not lie in the tree", *written),
                          "write the path below `tree`, as in \"app.py\"");
    }
  }
  into.entry = parts.entry;
  if (!parts.callable.empty()) into.callable = parts.callable;
}

void read_callable(ValueReader& reader, const Value& value, AppConfig& into) {
  const auto written = reader.text(value);
  if (!written) return;
  if (!written->empty() && !is_callable_name(*written)) {
    return reader.error(value, fmt::format("\"{}\" is not the name of a callable", *written),
                        "write \"app\", \"site.app\", \"create_app()\" or \"create_app('live')\"");
  }
  into.callable = *written;
}

void read_python(ValueReader& reader, const Value& value, AppConfig& into) {
  set(into.python, reader.python(value));
}

void read_venv(ValueReader& reader, const Value& value, AppConfig& into) {
  set(into.venv, reader.venv(value));
}

void read_path_entries(ValueReader& reader, const Value& value, AppConfig& into) {
  read_list(reader, value, into.path, [&](const Value& at, const std::string& text) {
    return reader.path(at, text, Exists::file_or_folder);  // a file: zip archives are importable
  });
}

void read_cwd(ValueReader& reader, const Value& value, AppConfig& into) {
  const auto written = reader.text(value);
  if (written && written->empty()) {
    into.cwd.clear();
  } else if (written) {
    set(into.cwd, reader.path(value, *written, Exists::folder));
  }
}

void read_env(ValueReader& reader, const Value& value, AppConfig& into) {
  const auto* table = value.get_if<Value::Table>();
  if (table == nullptr) {
    return reader.error(value, fmt::format("must be a table, not {}", value.kind()),
                        "env = { NAME = \"value\" }");
  }
  for (const Member& member : *table) {
    reader.set_key("env." + member.key);
    if (member.key.empty() || member.key.find_first_of(std::string_view("=\0", 2)) != std::string::npos) {
      reader.error(member.value, "not the name of a variable");
    } else if (auto text = reader.text(member.value)) {
      into.env[member.key] = std::move(*text);  // over what [defaults] has
    }
  }
  reader.set_key("env");
}

// What it holds is read for each generation; a mistake in it is told at once.
void read_env_file_setting(ValueReader& reader, const Value& value, AppConfig& into) {
  const auto written = reader.text(value);
  if (!written) return;
  if (written->empty()) return into.env_file.clear();
  auto file = reader.path(value, *written, Exists::file_or_folder);
  if (!file) return;
  if (const auto variables = read_env_file(*file); !variables) {
    const Error& error = variables.error();
    const Origin there{error.file, error.line, 0};
    return reader.error(error.line == 0 ? reader.origin(value) : there, error.message, error.hint);
  }
  into.env_file = std::move(*file);
}

void read_python_flags(ValueReader& reader, const Value& value, AppConfig& into) {
  read_list(reader, value, into.python_flags, [&](const Value& at, const std::string& text) {
    return checked(reader, at, text, text.size() > 1 && text.front() == '-', "not an option of Python",
                   "one item per option, as in [\"-Werror\", \"-Xdev\"]");
  });
}

void read_exports(ValueReader& reader, const Value& value, AppConfig& into) {
  read_list(reader, value, into.exports, [&](const Value& at, const std::string& text) {
    const EntryText parts = split_entry(text);
    const bool good = is_dotted_name(parts.entry) && is_dotted_name(parts.callable) &&
                      parts.callable.find('.') == std::string::npos;
    return checked(reader, at, text, good, "not the name of a function in a module",
                   "write \"module:function\", as in \"shop.api:total\"");
  });
}

void read_preload(ValueReader& reader, const Value& value, AppConfig& into) {
  read_list(reader, value, into.preload, [&](const Value& at, const std::string& text) {
    return checked(reader, at, text, is_dotted_name(text), "not the name of a module",
                   "as in an import statement: \"shop.models\"");
  });
}

void read_group(ValueReader& reader, const Value& value, AppConfig& into) {
  const auto written = reader.text(value);
  if (!written) return;
  if (!written->empty() && !is_app_name(*written)) {
    return reader.error(value, fmt::format("\"{}\" is not the name of a group", *written),
                        "lower case letters, digits, _ . and -, at most 64");
  }
  into.group = *written;
}

void read_watch(ValueReader& reader, const Value& value, AppConfig& into) {
  // They need not be there yet: the watcher takes them up when they appear.
  read_list(reader, value, into.watch, [&](const Value& at, const std::string& text) {
    return reader.path(at, text, Exists::need_not);
  });
}

void read_ignore(ValueReader& reader, const Value& value, AppConfig& into) {
  read_list(reader, value, into.ignore, [&](const Value& at, const std::string& text) {
    const bool good = !text.empty() && text.front() != '#' && text.find('\n') == std::string::npos;
    return checked(reader, at, text, good, "not a pattern", "patterns are written as in .gitignore");
  });
}

void read_warmup(ValueReader& reader, const Value& value, AppConfig& into) {
  read_list(reader, value, into.warmup, [&](const Value& at, const std::string& text) {
    const bool good =
        text.starts_with('/') && std::none_of(text.begin(), text.end(), [](char c) {
          return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F || c == '#';
        });
    return checked(reader, at, text, good, "not the path of a request", "write \"/\" or \"/health?full=1\"");
  });
}

}  // namespace moult
